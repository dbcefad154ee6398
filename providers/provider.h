/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider: what is known about one kind of server, as pure functions from bytes to bytes.
 *
 *	           settings, wish, grant, time, random bytes
 *	                            |
 *	    fs/fetch  -- ask -->  provider  -- a request -->  fs/http  -->  the server
 *	              <-- outcome --  |   <-- hear, the response --           |
 *	        |              token, new grant, why not
 *	        '-- an errand --> fs/command --> a program      (EXCHANGE_RUN)
 *	        '-- a need --> fs/need_tree --> another slot    (EXCHANGE_NEED)
 *
 * A provider never talks to its server. It says what to send (`ask`), is told what came back
 * (`hear`), and says what that meant. It has no socket, file, clock, thread or log, so a whole
 * conversation is tested as a transcript (tests/wire). Example, a vendor with one login call:
 *
 *	static int acme_ask(struct exchange *x)
 *	{
 *		x->request.method = "POST";
 *		buffer_text(&x->request.url, settings_text(x->settings, "url"));
 *		…
 *		return EXCHANGE_ASK;
 *	}
 *
 *	static int acme_hear(struct exchange *x, const struct response *r)
 *	{
 *		if (r->status == 401)
 *			return exchange_fail(x, EXCHANGE_DENIED, "acme refused user and password");
 *		…
 *		return exchange_issue(x, value, len, &facts);	// EXCHANGE_DONE
 *	}
 *
 *	const struct provider_type acme_type = { .name = "acme", .fields = fields,
 *						 .ask = acme_ask, .hear = acme_hear };
 *
 * and one line in registry.c; providers/TEMPLATE.md leads through a whole one. What is not to be lost or
 * done twice is stored in between (EXCHANGE_KEEP, see INTENTS below), and a person is waited for by
 * EXCHANGE_WAIT.
 *
 * ERRORS, for the whole project, after dbus-broker: a function that can fail returns 0 or a negative
 * errno. Negative is ours (memory, a bug, a limit), is passed on unchanged, and its documented set is
 * in the header. Positive results are outcomes of that one function, listed as an enum beside it,
 * which the caller must handle and may not pass on. What a person should read goes into a `struct
 * sentence *why`.
 *
 * OWNERSHIP, for the whole project: out-parameters come last, are named ret_ (or `ret`), and are
 * untouched on failure; what they give belongs to the caller. Other pointers are borrowed for the
 * call. Counted values have new/ref/unref, values in place init/finish, the rest create/destroy or
 * new/free; the ending half takes NULL. X_AUTO locals end themselves.
 */
#ifndef TOKENFS_PROVIDER_H
#define TOKENFS_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "message.h"
#include "secret.h"
#include "sentence.h"
#include "settings.h"
#include "token.h"

struct oauth2_dialect;
struct provider_type;

/* What a conversation is for. */
enum purpose {
	PURPOSE_FETCH,  /* get a token for the slot */
	PURPOSE_REVOKE, /* make `token` (and the slot's own `grant`) worthless at the server */
	PURPOSE_CREATE, /* make the token that `wish` describes, under `name`, which is new to us */
	PURPOSE_UPDATE, /* make `name`, which the server has, what `wish` describes */
	PURPOSE_LIST,   /* tell every token that the server has: exchange_list() for each */
	PURPOSE_LOGIN,  /* a person logs in: exchange_prompt(), then EXCHANGE_WAIT until he did */
	PURPOSE_UNREGISTER, /* remove the client of `registration` at the server: DONE, forget it */
};

/* How far a conversation is, or how it ended: what `ask` and `hear` return. */
enum exchange_outcome {
	EXCHANGE_DONE = 0,    /* what was wanted happened */
	EXCHANGE_ASK = 1,     /* ask: `request` is to be sent. hear: call `ask` for one more */
	EXCHANGE_WAIT,        /* call `ask` again after `wait_ms`: a person acts */
	EXCHANGE_KEEP,        /* store ret_intent, ret_registration, ret_grant; then call `ask` */
	EXCHANGE_RUN,         /* ask: `errand` is to be run; `hear` gets what it printed */
	EXCHANGE_NEED,        /* ask: the token of slot `need`; call `ask` again with it in `given` */
	EXCHANGE_DENIED,      /* the credential was refused: never sent again until something changes */
	EXCHANGE_FORBIDDEN,   /* the server knows us and says no to this (scope, audience, role) */
	EXCHANGE_EXPIRED,     /* the grant is over: refresh token dead, and nothing to replace it */
	EXCHANGE_REVOKED,     /* the same, and the server said that somebody revoked it */
	EXCHANGE_MISSING,     /* a credential is not there: a person must log in, or configure it */
	EXCHANGE_BUSY,        /* later: 429, 5xx; `wait_ms` from Retry-After, or -1 */
	EXCHANGE_GARBLED,     /* an answer that the protocol does not allow */
	EXCHANGE_INVALID,     /* the document or the settings cannot mean anything */
	EXCHANGE_UNSUPPORTED, /* not possible with this type or server */
	EXCHANGE_EXISTS,      /* CREATE: the server has one of this name already */
	EXCHANGE_IN_USE,      /* REVOKE: it is the credential that we ourselves live on */
};

/* How a program is run (EXCHANGE_RUN), see fs/command; it prints at most request.answer_max bytes. */
struct errand {
	const char *line; /* borrowed from the settings; words, or shell text */
	bool shell;       /* give the line to /bin/sh -c */
};

/* One token that the server has (PURPOSE_LIST). */
struct listed {
	char *name;    /* not checked: what cannot be a file's name is left out by fs/ */
	char *details; /* a JSON object as text, for .meta; never a secret in it */
	char *stamp;   /* with another one it is another token of the same name; NULL: cannot tell */
};

struct listing {
	struct listed *at;
	size_t n, room;
};

/* What a person is to do (PURPOSE_LOGIN; RFC 8628 section 3.3). None of it is a secret. */
struct prompt {
	char *uri, *uri_complete; /* the second may be NULL */
	char *code;
	int64_t expires_ms;       /* wall clock, since the epoch */
};

/* One conversation. fs/fetch makes it, fills the first part, and ends it with exchange_finish(). */
struct exchange {
	/* given, and borrowed for the whole conversation */
	const struct provider_type *type;
	enum purpose purpose;
	const struct settings *settings; /* of the provider's section */
	const struct settings *wish;     /* of the slot, in type->slot_fields; NULL: nothing special */
	const char *provider, *name;     /* the directory's and the slot's name */
	struct secret *grant;            /* the refresh token or key that the grant holds; or NULL */
	bool grant_is_own;               /* the grant is the slot's own, not the provider's */
	struct token *token;             /* FETCH, REVOKE, UPDATE: the slot's newest, even expired */
	const char *details;             /* of the slot as it was listed last (JSON), or NULL */
	const struct json *memo;         /* what was learnt of the server before (ret_memo), or NULL */
	struct secret *registration;     /* ret_registration of an earlier conversation, or NULL */
	struct secret *intent;           /* ret_intent of one that was cut off (JSON), or NULL */
	/* given anew before each ask and hear */
	int64_t now_ms;           /* wall clock, since the epoch */
	unsigned char random[32]; /* fresh */
	struct token *given;      /* after EXCHANGE_NEED */

	/* asked */
	struct request request;
	bool hears_silence;       /* no answer at all comes to `hear` too, as a response of status 0 */
	struct errand errand;     /* EXCHANGE_RUN */
	const char *need;         /* EXCHANGE_NEED: PROVIDER/NAME, borrowed from settings */

	/* answered, by the provider */
	struct token *ret_token;     /* with EXCHANGE_DONE; CREATE, UPDATE, LOGIN: may be NULL */
	struct token *ret_id_token;  /* what came beside it (OpenID), or NULL */
	struct secret *ret_grant;    /* a new refresh token: replaces the grant's, durably and first */
	bool drop_grant;             /* the grant's secret is dead: forget it */
	struct secret *ret_registration; /* of the client, for the whole provider (RFC 7591) */
	struct secret *ret_intent;   /* what is about to be done, for the one that comes after a crash */
	struct listing ret_listing;  /* PURPOSE_LIST */
	struct prompt ret_prompt;    /* PURPOSE_LOGIN */
	char *ret_details;           /* CREATE, UPDATE: as a listing would say it, or NULL */
	bool slot_only;              /* the outcome says nothing about the grant */
	struct json *ret_memo;       /* replaces the memo, for memo_ms */
	int64_t memo_ms;
	int64_t wait_ms;             /* EXCHANGE_WAIT, EXCHANGE_BUSY */
	struct sentence why;         /* not DONE: what, where, what to do; DONE: a warning, or "" */

	/* the provider's own */
	int step;          /* 0 at the start */
	void *notes;       /* NULL at the start; from malloc(3), wiped and freed at the end */
};

/*
 * INTENTS. What must not be done twice, and cannot be asked for again, is announced first:
 *
 *	step 0	ask: GET the name		hear: 404, so it is not there
 *		ret_intent = {"absent": true}	EXCHANGE_KEEP: committed before the next ask
 *	step 1	ask: POST			hear: the value: EXCHANGE_DONE
 *
 * Value and intent change places in one commit. When the worker dies in between, the conversation
 * begins again with `intent` set: the provider finds out what became of it. An intent is forgotten at
 * DONE and at every outcome that says what happened; BUSY, GARBLED and the network's errors keep it.
 * PURPOSE_LOGIN keeps its device code so.
 */

#define EXCHANGE_INIT ((struct exchange){ .request = REQUEST_INIT, .wait_ms = -1, .memo_ms = -1 })

void exchange_finish(struct exchange *x); /* drops what was answered; wipes */

/* Tools for `ask` and `hear`. */

/* Sets the sentence and returns the outcome. */
int exchange_fail(struct exchange *x, enum exchange_outcome outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Appends to `why` what a server said, as sentence_quote() does; nothing when a piece of one of our
 * secrets is in it: servers quote the credential that they refuse.
 */
void exchange_quote(struct exchange *x, const char *foreign);

/* Makes ret_token: EXCHANGE_DONE, EXCHANGE_GARBLED for a value that may not be published, -ENOMEM. */
int exchange_issue(struct exchange *x, const char *value, size_t len,
		   const struct token_facts *facts);

/*
 * The type of a token that is to be used as Bearer (wire C4): EXCHANGE_DONE, also for NULL, which is
 * none; else EXCHANGE_GARBLED, and why.
 */
int exchange_hear_bearer(struct exchange *x, const char *type);

/* Adds to ret_listing; copies. `stamp` may be NULL. -ENOMEM. */
int exchange_list(struct exchange *x, const char *name, const char *details, const char *stamp);

/*
 * Sets ret_prompt; copies. EXCHANGE_GARBLED for a URI that is not http or https, or for control
 * characters in any of them (wire D2); 0, -ENOMEM.
 */
int exchange_prompt(struct exchange *x, const char *uri, const char *uri_complete, const char *code,
		    int64_t expires_ms);

/* Sets ret_intent from JSON. -ENOMEM, -EFBIG. */
int exchange_intend(struct exchange *x, const struct json *intent);

/*
 * Answers that mean the same everywhere: 429 and 5xx are EXCHANGE_BUSY with Retry-After (wire C10), a
 * redirect EXCHANGE_GARBLED (C13). 0 when the status is none of these: look at the body.
 */
int exchange_hear_status(struct exchange *x, const struct response *r);

/* What a provider type is. All of it is data but the functions. */
struct provider_type {
	const char *name;    /* as in `type = …` */
	const char *summary; /* half a line */
	const char *env;     /* the variable of .env, e.g. "ACCESS_TOKEN" */

	const struct field *fields;      /* of the section, besides the keys that every type has */
	const struct field *slot_fields; /* of a declared slot and a written document; may be NULL */

	bool imports;           /* takes {"access_token": …, "expires_in": …} */
	bool imports_refresh;   /* takes {"refresh_token": …} */
	bool lists;             /* PURPOSE_LIST: the server knows its tokens by name */
	bool creates;           /* documents are tokens of the server: CREATE for a new name, else UPDATE */
	bool undeclared;        /* slots are not declared by the configuration: they are written, listed */
	const char *document;   /* a further file of the directory, e.g. ".jwks"; or NULL */

	/*
	 * Each slot has a grant of its own, which a login brings, when needs_person() says that one is
	 * needed: a document for a new name starts a login for it.
	 */
	bool login_per_slot;

	/* Of the types that share oauth2's code: how this one differs (oauth2.h). */
	const struct oauth2_dialect *dialect;

	/* No more than so many fetches of one grant in so long; 0: no limit. */
	unsigned int budget;
	int64_t budget_ms;

	/*
	 * The slot that is there from the start; NULL: none. Without this function: access_token.
	 */
	const char *(*first)(const struct settings *s);

	/* A person must log in before the first token: `.login` is there, no prefetch. NULL: never. */
	bool (*needs_person)(const struct settings *s);

	/* What one field alone cannot know. 0, or -EINVAL and why. May be NULL. */
	int (*check)(const struct settings *s, struct sentence *why);

	/* The same for a wish, before anything is asked of a server. May be NULL. */
	int (*check_wish)(const struct settings *s, const struct settings *wish,
			  struct sentence *why);

	/*
	 * What a token imported into slot `name` is, for what its document does not say: sets
	 * token_type, id, and lifetime_ms where it is TOKEN_LIFETIME_UNSAID. `wish` is never NULL
	 * when the type has slot_fields; `details` as in struct exchange. Strings are literals or
	 * borrowed from the arguments. 0, or -EINVAL and why. NULL: Bearer, and token_lifetime().
	 */
	int (*import)(const struct settings *s, const struct settings *wish, const char *name,
		      const char *details, int64_t now_ms, struct token_facts *facts,
		      struct sentence *why);

	/*
	 * The next step. EXCHANGE_ASK with a request, or an outcome. Negative: -ENOMEM, -EFBIG.
	 * x->request is empty when `ask` is called.
	 */
	int (*ask)(struct exchange *x);

	/* What came back meant an outcome. NULL when `ask` never asks. */
	int (*hear)(struct exchange *x, const struct response *r);

	/*
	 * Appends the header lines of a token, `Name: value\n` each. NULL: `Authorization: Bearer T`.
	 * May use settings only. -ENOTSUP: no header is made of this one, so its `.headers` cannot be
	 * read.
	 */
	int (*headers)(const struct settings *s, const struct token *t, struct buffer *out);

	/*
	 * Appends further lines of .env, `NAME=value\n` each; `variable` is the first one's name. May
	 * be NULL.
	 */
	int (*environment)(const struct settings *s, const struct token *t, const char *variable,
			   struct buffer *out);

	/* Appends the content of `document`; `grant` may be NULL: -ENOKEY. */
	int (*render_document)(const struct settings *s, const struct secret *grant,
			       struct buffer *out);
};

/* registry.c: every type, in the order of the manual; ends with NULL. */
const struct provider_type *const *provider_types(void);
const struct provider_type *provider_type_find(const char *name); /* NULL: no such type */

#endif
