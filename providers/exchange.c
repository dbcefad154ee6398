/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "provider.h"

/* So many bytes in a row of a secret, or of a request that held one, give it away. */
#define PIECE_OF_SECRET	 8u
#define PIECE_OF_REQUEST 20u

/* No more than this of what a server said is looked at. */
#define QUOTED_MAX 1024u

/* More tokens than this are no list for a directory. */
#define LISTED_MAX 1000000u

static void listing_finish(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].name);
		free(l->at[i].details);
		free(l->at[i].stamp);
	}
	free(l->at);
	*l = (struct listing){ 0 };
}

static void prompt_finish(struct prompt *p)
{
	free(p->uri);
	free(p->uri_complete);
	free(p->code);
	*p = (struct prompt){ 0 };
}

void exchange_finish(struct exchange *x)
{
	request_finish(&x->request);
	x->ret_token = token_unref(x->ret_token);
	x->ret_id_token = token_unref(x->ret_id_token);
	x->ret_grant = secret_unref(x->ret_grant);
	x->ret_registration = secret_unref(x->ret_registration);
	x->ret_intent = secret_unref(x->ret_intent);
	json_free(x->ret_memo);
	x->ret_memo = NULL;
	listing_finish(&x->ret_listing);
	prompt_finish(&x->ret_prompt);
	free(x->ret_details);
	x->ret_details = NULL;
	if (x->notes)
		explicit_bzero(x->notes, malloc_usable_size(x->notes));
	free(x->notes);
	x->notes = NULL;
}

int exchange_fail(struct exchange *x, enum exchange_outcome outcome, const char *format, ...)
{
	char text[LIMIT_SENTENCE];
	va_list args;

	va_start(args, format);
	if (vsnprintf(text, sizeof text, format, args) < 0)
		text[0] = '\0';
	va_end(args);
	sentence_set(&x->why, "%s", text);
	return (int)outcome;
}

static bool shares_secret(const char *text, const struct secret *s)
{
	return s && sentence_tells(text, secret_bytes(s), secret_len(s), PIECE_OF_SECRET);
}

static bool shares_request(const char *text, const struct buffer *b)
{
	return b->len >= PIECE_OF_REQUEST &&
	       sentence_tells(text, buffer_string(b), b->len, PIECE_OF_REQUEST);
}

static bool tells_secret(const struct exchange *x, const char *text)
{
	for (const struct field *f = settings_fields(x->settings); f && f->key; f++)
		if (f->kind == FIELD_SECRET &&
		    shares_secret(text, settings_secret(x->settings, f->key)))
			return true;
	if (shares_secret(text, x->grant) || shares_secret(text, x->ret_grant) ||
	    shares_secret(text, x->intent) || shares_secret(text, x->ret_intent) ||
	    shares_secret(text, x->registration) || shares_secret(text, x->ret_registration))
		return true;
	if (x->given &&
	    sentence_tells(text, token_value(x->given), token_len(x->given), PIECE_OF_SECRET))
		return true;
	if (x->token &&
	    sentence_tells(text, token_value(x->token), token_len(x->token), PIECE_OF_SECRET))
		return true;
	return shares_request(text, &x->request.header) || shares_request(text, &x->request.body);
}

void exchange_quote(struct exchange *x, const char *foreign)
{
	struct sentence quote = {""};
	char text[QUOTED_MAX];

	if (!foreign)
		return;
	/* judged as it came and as it would be shown, which differ in what is not printable */
	snprintf(text, sizeof text, "%s", foreign);
	sentence_quote(&quote, text);
	if (!tells_secret(x, quote.text) && !tells_secret(x, text))
		sentence_quote(&x->why, text);
}

int exchange_issue(struct exchange *x, const char *value, size_t len,
		   const struct token_facts *facts)
{
	struct token *token;
	int r = token_new(value, len, facts, &x->why, &token);

	if (r == -EBADMSG)
		return EXCHANGE_GARBLED;
	if (r < 0)
		return r;
	token_unref(x->ret_token);
	x->ret_token = token;
	return EXCHANGE_DONE;
}

int exchange_hear_bearer(struct exchange *x, const char *type)
{
	if (!type || strcasecmp(type, "bearer") == 0)
		return EXCHANGE_DONE;
	exchange_fail(x, EXCHANGE_GARBLED,
		      "the token's type is not Bearer, so reading it is not enough to use it");
	exchange_quote(x, type);
	return EXCHANGE_GARBLED;
}

int exchange_hear_status(struct exchange *x, const struct response *r)
{
	if (r->status == 429 || r->status >= 500) {
		x->wait_ms = r->retry_after_ms >= 0 ? r->retry_after_ms : -1;
		return exchange_fail(x, EXCHANGE_BUSY,
				     r->status == 429 ? "the server wants fewer requests (%d)"
						      : "the server has trouble of its own (%d)",
				     r->status);
	}
	if (r->status >= 300 && r->status < 400)
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server redirects (%d), which is never followed: "
				     "correct the URL",
				     r->status);
	return 0;
}

static char *copy(const char *text, bool *failed)
{
	char *c = text ? strdup(text) : NULL;

	*failed = *failed || (text && !c);
	return c;
}

static int make_room(struct listing *l)
{
	size_t room = l->room ? l->room * 2 : 64;
	struct listed *more;

	if (l->n < l->room)
		return 0;
	if (l->n >= LISTED_MAX)
		return -EFBIG;
	more = reallocarray(l->at, room, sizeof *more);
	if (!more)
		return -ENOMEM;
	l->at = more;
	l->room = room;
	return 0;
}

int exchange_list(struct exchange *x, const char *name, const char *details, const char *stamp)
{
	struct listing *l = &x->ret_listing;
	bool failed = false;
	int r = make_room(l);

	if (r < 0)
		return r;
	l->at[l->n] = (struct listed){ .name = copy(name, &failed),
				       .details = copy(details, &failed),
				       .stamp = copy(stamp, &failed) };
	l->n++; /* also of what failed: the end of the exchange frees it */
	return failed ? -ENOMEM : 0;
}

/* Printable ASCII: it goes to a terminal. */
static bool is_plain(const char *text)
{
	if (!text || !text[0] || strlen(text) >= LIMIT_WORD)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static bool is_web(const char *uri)
{
	return is_plain(uri) && uri_check(uri, NULL) == 0 &&
	       (!strncasecmp(uri, "https://", 8) || !strncasecmp(uri, "http://", 7));
}

int exchange_prompt(struct exchange *x, const char *uri, const char *uri_complete, const char *code,
		    int64_t expires_ms)
{
	bool failed = false;

	if (!is_web(uri) || !is_plain(code) || (uri_complete && !is_web(uri_complete)))
		return exchange_fail(x, EXCHANGE_GARBLED,
				     "the server's answer has no page or no code for a person");
	prompt_finish(&x->ret_prompt);
	x->ret_prompt = (struct prompt){ .uri = copy(uri, &failed),
					 .uri_complete = copy(uri_complete, &failed),
					 .code = copy(code, &failed),
					 .expires_ms = expires_ms };
	return failed ? -ENOMEM : 0;
}

int exchange_intend(struct exchange *x, const struct json *intent)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_SECRET);
	struct secret *secret;
	int r;

	json_print(intent, false, &text);
	r = buffer_error(&text);
	if (r == 0)
		r = secret_new(buffer_string(&text), text.len, &secret);
	if (r < 0)
		return r;
	secret_unref(x->ret_intent);
	x->ret_intent = secret;
	return 0;
}
