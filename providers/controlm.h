/* SPDX-License-Identifier: Apache-2.0 */
/*
 * controlm: the pieces of BMC Control-M's Automation API (siemens-controlm-cisco.md, section 2). A
 * conversation walks through calls:
 *
 *	CREATE	LOOK -> MAKE			an intent is kept between the two
 *		LOOK -> REMOVE -> MAKE		what a cut-off one made, with a value that nobody saw
 *	UPDATE	CHANGE				or CHANGE -> MAKE, when it is gone at the server
 *	REVOKE	SELF -> REMOVE			SELF: is the api-key this very token?
 *	LIST	LIST
 *	session	LOGIN; LOGOUT -> LOGOUT_GRANT
 *
 * Every call is made with the api-key, or with a session: then LOGIN comes before the first call
 * when there is none, or once before a call that is to be repeated because the session is over.
 *
 * Functions that answer an int answer what `ask` and `hear` do (enum exchange_outcome, or -errno).
 * `answer` is the response's body as JSON, or NULL when it is none.
 */
#ifndef TOKENFS_CONTROLM_H
#define TOKENFS_CONTROLM_H

#include "provider.h"

#define CONTROLM_SESSION "session"   /* the name of the slot that is a session */
#define CONTROLM_API_KEY "x-api-key" /* token_type of an API token, and its header */

enum controlm_step {
	CONTROLM_START,
	CONTROLM_LOGIN,        /* POST /session/login */
	CONTROLM_LOGOUT,       /* POST /session/logout: of the slot's session */
	CONTROLM_LOGOUT_GRANT, /* the same of the provider's, when that is another one */
	CONTROLM_LIST,         /* GET /authentication/tokens */
	CONTROLM_LOOK,         /* GET /authentication/token/NAME */
	CONTROLM_MAKE,         /* POST /authentication/token */
	CONTROLM_CHANGE,       /* PUT /authentication/token */
	CONTROLM_SELF,         /* POST /authentication/tokenbyvalue */
	CONTROLM_REMOVE,       /* DELETE /authentication/token/NAME */
};

/* What is remembered from one call to the next (struct exchange: notes); no secret in it. */
struct controlm_notes {
	enum controlm_step then; /* the call that waits for LOGIN */
	bool logged_in;          /* in this conversation: there is no second time */
};

/* controlm.c */

bool controlm_is_session(const struct settings *s, const char *name);

/* controlm_answer.c */

bool controlm_is_good(const struct response *r); /* 2xx */

/* 404 as the server itself says it, and no page of a proxy or of a wrong path. */
bool controlm_is_absent(const struct response *r, const struct json *answer);

/* Whether one of the errors' messages holds these words, in whatever case. */
bool controlm_says(const struct json *answer, const char *words);

/* What an answer means that is not the one hoped for. Never DONE. */
int controlm_refused(struct exchange *x, const struct response *r, const struct json *answer);

/* The same outcome, of which the account as a whole is not to blame. */
int controlm_of_slot(struct exchange *x, int outcome);

/* controlm_session.c */

bool controlm_lives_on_sessions(const struct settings *s);
const struct secret *controlm_session(const struct exchange *x); /* NULL: log in first */

/* Begins a call: method, URL of url + path, Accept, who we are. EXCHANGE_ASK, or why not. */
int controlm_call(struct exchange *x, const char *method, const char *path);

/* Ends one: EXCHANGE_ASK unless the request came out broken. */
int controlm_called(struct exchange *x);

int controlm_login_ask(struct exchange *x);
int controlm_login_hear(struct exchange *x, const struct response *r, const struct json *answer);

/* Whether the server said that the session is over, and we have not logged in for this call yet. */
bool controlm_session_is_over(const struct exchange *x, const struct response *r,
			      const struct json *answer);
int controlm_login_again(struct exchange *x);

int controlm_logout_plan(struct exchange *x);
int controlm_logout_ask(struct exchange *x);
int controlm_logout_hear(struct exchange *x, const struct response *r, const struct json *answer);

/* controlm_listing.c */

int controlm_list_ask(struct exchange *x);
int controlm_list_hear(struct exchange *x, const struct response *r, const struct json *answer);

/* Appends what may be told of a token; what `token` does not say is taken from `else_from`. */
void controlm_describe(const struct json *token, const struct json *else_from, struct buffer *out);

/* controlm_wish.c */

int controlm_check_annotations(const struct settings *s, struct sentence *why);
int controlm_check_wish(const struct settings *s, const struct settings *wish,
			struct sentence *why);

/* Adds the headers that say why a change is made. */
void controlm_annotate(struct exchange *x);

/* The token that the document describes, as the server wants it; -ENOMEM. */
int controlm_wanted(const struct exchange *x, struct json **ret);

/* EXCHANGE_ASK, or why the document cannot be asked of the server. */
int controlm_check_wanted(struct exchange *x, const struct json *wanted);

/* Whether a token of the server has the roles and the last day that are wanted. */
bool controlm_is_wanted(const struct json *wanted, const struct json *token);

/* controlm_token.c */

/* How long a token lives whose last day is `date` (or NULL): ms from `now_ms`, at least 1. */
int64_t controlm_life(const char *date, int64_t now_ms);

int controlm_fetch(struct exchange *x); /* without a request */
int controlm_save_plan(struct exchange *x);
int controlm_revoke_plan(struct exchange *x);
int controlm_token_ask(struct exchange *x);
int controlm_token_hear(struct exchange *x, const struct response *r, const struct json *answer);

#endif
