/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device: a person logs in with a browser, elsewhere (RFC 8628).
 *
 *	DEVICE			two codes: one is shown, with a page to type it in; one is ours, and secret
 *	EXCHANGE_KEEP		… and kept as the intent, so that the login outlives the worker
 *	PAUSE, EXCHANGE_WAIT	before each poll, from the end of the answer before (wire D3)
 *	POLL			not yet: PAUSE; yes: the token, and mostly a refresh token; no: over
 *
 * Everything that must last is in the intent, a JSON object: device_code, interval_ms, pause_ms,
 * expires_ms, and the prompt (uri, uri_complete, code).
 */
#ifndef TOKENFS_DEVICE_H
#define TOKENFS_DEVICE_H

#include "provider.h"

/* Whether a login is under way that the intent tells of; readable or not. */
bool device_is_under_way(const struct exchange *x);

/* Goes on with it: 0, with the prompt filled in, or how it ended. */
int device_resume(struct exchange *x);

int device_ask(struct exchange *x);
int device_hear(struct exchange *x, const struct response *r);

int device_pause(struct exchange *x);

int device_poll_ask(struct exchange *x);
int device_poll_hear(struct exchange *x, const struct response *r);

#endif
