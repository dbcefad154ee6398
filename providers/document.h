/* SPDX-License-Identifier: Apache-2.0 */
/*
 * document: what somebody wrote to a name of the mount, understood. One JSON object, in which the
 * members of the type's slot_fields say what to ask the server for, and these import what was got
 * elsewhere:
 *
 *	{"access_token": "…", "expires_in": 300}	a token as it is
 *	{"refresh_token": "…"}				a grant of the slot's own
 *	{"scope": "storage.read:/", "audience": …}	a wish, for the provider's grant
 *
 * The caller owns the struct and ends it with document_finish(), which wipes.
 */
#ifndef TOKENFS_DOCUMENT_H
#define TOKENFS_DOCUMENT_H

#include "provider.h"

struct document {
	struct settings *wish;        /* in slot_fields; never NULL unless the type has none */
	struct token *token;          /* imported, or NULL */
	struct secret *refresh_token; /* imported, or NULL */
};

/* The slot that a document is written to; all of it borrowed. */
struct document_slot {
	const struct provider_type *type;
	const struct settings *settings; /* of the provider's section */
	const char *name;
	const char *details; /* as the slot was listed last (JSON), or NULL */
};

/*
 * -EINVAL: not JSON, not an object, an unknown member (the sentence lists the known ones), a wrong
 * value, an import that the type cannot take, a wish that its check_wish refuses; -ENOTSUP: the type
 * takes no documents at all; -ENOMEM. `why` is set; it never quotes the document.
 */
int document_read(const struct document_slot *slot, const char *bytes, size_t len, int64_t now_ms,
		  struct sentence *why, struct document *ret);
void document_finish(struct document *d);

#endif
