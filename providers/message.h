/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: one HTTP request as a provider writes it, and the response as it is handed back.
 * Both are plain values: nothing in this file or below it opens a socket.
 *
 * A request is filled by a provider's `ask` and owned by the exchange; headers and body may hold
 * secrets and are wiped. A response is owned by fs/ and borrowed by `hear`.
 */
#ifndef TOKENFS_MESSAGE_H
#define TOKENFS_MESSAGE_H

#include <stdint.h>

#include "buffer.h"
#include "sentence.h"

struct request {
	const char *method;   /* a literal: "GET", "POST", … */
	struct buffer url;    /* no secret ever stands in it (wire C15) */
	struct buffer header; /* lines `Name: value\n`; may hold secrets */
	struct buffer body;
	const char *content_type; /* a literal, or NULL when there is no body */
	size_t answer_max;        /* the most bytes that the answer may have */
};

#define REQUEST_INIT                                                                               \
	((struct request){ .method = "GET",                                                        \
			   .url = BUFFER_INIT(LIMIT_REQUEST),                                      \
			   .header = BUFFER_INIT(LIMIT_REQUEST),                                   \
			   .body = BUFFER_INIT(LIMIT_REQUEST),                                     \
			   .answer_max = LIMIT_RESPONSE })

void request_finish(struct request *r); /* wipes; REQUEST_INIT again */

/* Adds `name: value`; a value with control characters makes the header buffer fail with -EINVAL. */
void request_header(struct request *r, const char *name, const char *value);

/* The first sticky error of the three buffers, or 0. */
int request_error(const struct request *r);

struct response {
	int status;           /* 200, 400, …; 0: none came (hears_silence), `body` is empty;
				 of a program (EXCHANGE_RUN): its exit status, 0 is success */
	const char *type;     /* Content-Type, or "" */
	const char *body;     /* `len` bytes, then a NUL */
	size_t len;
	int64_t date_ms;         /* the server's Date, since the epoch; -1 unknown */
	int64_t retry_after_ms;  /* from Retry-After, seconds or date (wire C10); -1 none */
	const char *complaint;   /* of a program: the first line of its standard error, for
				    exchange_quote() alone; or NULL */
	int64_t max_age_ms;      /* how long it may be kept, from Cache-Control (wire M5); -1 unknown */
};

/*
 * What the server's clock showed when it answered, in ms: by its Date where that is not our time, for a
 * moment that it names is one of its clock. A Date has whole seconds: the latest that it can mean, so
 * that no life comes out too long.
 */
int64_t response_now(const struct response *r, int64_t now_ms);

/*
 * URLs, for the field tables and for endpoints that a server names. 0 when `url` is https, or http
 * to a loopback host, with a host and without user:password@ and fragment; else -EINVAL and why.
 */
int url_check(const char *url, struct sentence *why);

/* Any absolute URI without a fragment (wire N1). */
int uri_check(const char *uri, struct sentence *why);

#endif
