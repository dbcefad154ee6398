/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: sends a provider's request and hands back the response; the only includer of curl.
 *
 * One multi handle for all: connections are reused, and one stalled server delays nobody else. TLS is
 * verified; https only, but for loopback; no redirect is ever followed (wire C13); no cookie kept; a
 * response is at most the request's answer_max. Names are resolved by curl's own thread, which a dead name
 * server may hold, but which nothing waits for (CURLOPT_QUICK_EXIT).
 *
 *	http_send(http, &request, &options, on_response, ctx, &transfer);
 *	…the loop, with http's waiter…
 *	on_response(ctx, 0, &response, &why);
 */
#ifndef TOKENFS_HTTP_H
#define TOKENFS_HTTP_H

#include "loop.h"
#include "message.h"

struct http;
struct transfer;

struct http_options {
	const char *ca_file; /* NULL: the system's */
	bool insecure_tls;
	const char *proxy;   /* NULL: none, whatever the environment says */
	int64_t timeout_ms;  /* for the whole transfer */
};

/*
 * `error` is 0 with a response, or: -ETIMEDOUT, -EHOSTUNREACH (no such name, no route),
 * -ECONNREFUSED, -EPROTO (TLS, or not HTTP), -EFBIG (response too large), -ECONNRESET (broken off),
 * -EIO; then `why` says what. `sent`: whether the server may have seen the request. The response is
 * borrowed, and wiped after the call. The transfer is over; it must not be cancelled any more.
 */
typedef void http_done(void *ctx, int error, bool sent, const struct response *response,
		       const struct sentence *why);

int http_create(struct loop *loop, struct http **ret); /* sets the loop's waiter; -ENOMEM */
struct http *http_destroy(struct http *http);          /* cancels what is under way */

/* Copies what it needs. 0, -EINVAL (URL), -ENOMEM; `done` is never called from inside. */
int http_send(struct http *http, const struct request *request, const struct http_options *options,
	      http_done *done, void *ctx, struct transfer **ret);

/* Ends a transfer without a call of `done`. Takes NULL. */
void http_cancel(struct transfer *transfer);

#endif
