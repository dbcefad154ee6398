/* SPDX-License-Identifier: Apache-2.0 */
/*
 * render: the text of every file of the mount. No secret but the token itself ever gets into one, and
 * a token's bytes have been checked (token.h), so a header or an environment line cannot be broken out
 * of (contract 12).
 */
#ifndef TOKENFS_RENDER_H
#define TOKENFS_RENDER_H

#include "handover.h"
#include "inode.h"
#include "tree.h"

/*
 * FACET_VALUE, FACET_HEADERS, FACET_ENV of one generation. -ENOTSUP: none is made
 * of this token; -ENOMEM, -EFBIG.
 */
int render_token(const struct slot *s, const struct generation *g, enum facet facet,
		 struct buffer *out);

/* What .meta and the extended attributes show; the caller's. */
struct json *render_meta_json(const struct slot *s);

/* JSON, with a newline at its end. */
void render_meta(const struct slot *s, struct buffer *out);
void render_directory_status(const struct directory *d, struct buffer *out);
void render_login(const struct directory *d, struct buffer *out); /* what a person is to do */
void render_status(const struct tree *t, const struct handover_page *page, struct buffer *out);

/* OpenMetrics text. */
void render_metrics(const struct tree *t, struct buffer *out);

/* One word of design.md section 3: hot, cold, login_required, failed, expired, revoked. */
const char *render_state(const struct slot *s);

/* RFC 3339, UTC; NULL for POLICY_NEVER and for no moment (0). */
const char *render_time(int64_t wall_ms, char text[static 32]);

/* "EACCES" for -EACCES. */
const char *render_errno(int error);

#endif
