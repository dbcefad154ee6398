/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "catalyst.h"
#include "form.h"

/* How long a CLI token is known to be dead without asking again. */
#define DEAD_MS (INT64_C(24) * 3600 * 1000)

/* The CLI token that stands in the configuration, or the slot's that was asked for; borrowed. */
struct cli {
	const char *value;
	size_t len;
};

static bool find_cli(const struct exchange *x, struct cli *ret)
{
	const struct secret *secret = settings_secret(x->settings, "cli-token");

	if (settings_text(x->settings, "cli-token")) {
		if (!x->given)
			return false;
		*ret = (struct cli){ token_value(x->given), token_len(x->given) };
	} else {
		if (!secret)
			return false;
		*ret = (struct cli){ secret_bytes(secret), secret_len(secret) };
	}
	return true;
}

/* No rotation is documented, but a new refresh token is to be used (1.5): kept as `OLD NEW`. */
static bool find_adopted(const struct exchange *x, const struct cli *old, struct cli *ret)
{
	const char *kept = x->grant ? secret_bytes(x->grant) : "";
	size_t len = x->grant ? secret_len(x->grant) : 0;

	if (x->drop_grant || len < old->len + 2 || memcmp(kept, old->value, old->len) != 0 ||
	    kept[old->len] != ' ')
		return false;
	*ret = (struct cli){ kept + old->len + 1, len - old->len - 1 };
	return true;
}

static const char *place_of(const struct exchange *x)
{
	const char *name = settings_text(x->settings, "cli-token");

	return name ? name : "cli-token-file";
}

static int missing(struct exchange *x)
{
	return exchange_fail(x, EXCHANGE_MISSING,
			     "there is no CLI token to make %s/%s of: give cli-token or "
			     "cli-token-file, or log in",
			     x->provider, x->name);
}

/* Only the two clients of the vendor's CLI have letters (1.1). */
static int check_cli(struct exchange *x, const struct cli *cli)
{
	x->slot_only = true;
	if (!catalyst_is_cli(cli->value, cli->len))
		return exchange_fail(x, EXCHANGE_INVALID,
				     "what stands in %s is no CLI token: those begin with m_ or w_",
				     place_of(x));
	if (cli->value[0] != 'm' && cli->value[0] != 'w')
		return exchange_fail(x, EXCHANGE_INVALID,
				     "the CLI token in %s has a letter before its _ that no client "
				     "has: only m_ and w_ can be renewed",
				     place_of(x));
	x->slot_only = false;
	return EXCHANGE_DONE;
}

/* ---- what is known to be dead ---- */

/* A name for a token that tells nothing of it. */
static void name_cli(const struct cli *cli, struct buffer *out)
{
	static const unsigned char purpose[] = "tokenfs catalyst dead";
	unsigned char hash[16];

	crypto_generichash(hash, sizeof hash, (const unsigned char *)cli->value, cli->len, purpose,
			   sizeof purpose);
	form_base64url(out, hash, sizeof hash);
}

static bool is_dead(const struct exchange *x, const struct cli *cli)
{
	const char *dead = json_string(x->memo, "dead");
	BUFFER_AUTO name = BUFFER_INIT(64);

	name_cli(cli, &name);
	return dead && !buffer_error(&name) && strcmp(dead, buffer_string(&name)) == 0;
}

/*
 * It is another slot's token that is over, so the grant is not locked, and a new login there helps
 * at once. Until then the dead one is not sent again: ten renewals in ten minutes block the client.
 */
static int remember_dead(struct exchange *x, const struct cli *cli)
{
	BUFFER_AUTO name = BUFFER_INIT(64);
	struct json *memo = json_new_object();

	name_cli(cli, &name);
	json_set_string(memo, "dead", buffer_string(&name));
	json_free(x->ret_memo);
	x->ret_memo = memo;
	x->memo_ms = DEAD_MS;
	return memo && !buffer_error(&name) ? 0 : -ENOMEM;
}

static int fail_dead(struct exchange *x)
{
	const char *name = settings_text(x->settings, "cli-token");

	x->slot_only = name != NULL;
	if (name)
		return exchange_fail(x, EXCHANGE_EXPIRED,
				     "the server does not take the CLI token %s/%s: it was "
				     "revoked, or is of another data centre or client; remove it "
				     "and write {} to it to log in again",
				     x->provider, name);
	return exchange_fail(x, EXCHANGE_EXPIRED,
			     "the server does not take the CLI token any more: it was revoked, or "
			     "is of another data centre or client; put a new one into "
			     "cli-token-file");
}

/* ---- asking ---- */

int catalyst_ask_renewal(struct exchange *x, const char *cli, size_t len, const char *centre)
{
	int r;

	form_add_bytes(&x->request.body, "refresh_token", cli + 2, len - 2);
	r = catalyst_add_client(x);
	if (r != EXCHANGE_ASK)
		return r;
	form_add(&x->request.body, "grant_type", "refresh_token");
	return catalyst_post(x, centre, "/oauth/v2/token");
}

/* The name has to last as long as the exchange. */
static int ask_need(struct exchange *x, const char *name)
{
	size_t size = strlen(x->provider) + strlen(name) + 2;
	BUFFER_AUTO path = BUFFER_INIT(LIMIT_REQUEST);

	buffer_format(&path, "%s/%s", x->provider, name);
	if (buffer_error(&path))
		return buffer_error(&path);
	free(x->notes);
	x->notes = malloc(size);
	if (!x->notes)
		return -ENOMEM;
	memcpy(x->notes, buffer_string(&path), size);
	x->need = x->notes;
	x->step = CATALYST_NEED;
	return EXCHANGE_NEED;
}

static int ask_refresh(struct exchange *x)
{
	struct cli cli, adopted;
	int r;

	if (!find_cli(x, &cli))
		return missing(x);
	r = check_cli(x, &cli);
	if (r != EXCHANGE_DONE)
		return r;
	if (settings_text(x->settings, "cli-token") && is_dead(x, &cli))
		return fail_dead(x);
	x->step = CATALYST_REFRESH;
	if (find_adopted(x, &cli, &adopted))
		cli = adopted;
	return catalyst_ask_renewal(x, cli.value, cli.len, catalyst_centre_of(x, x->given));
}

int catalyst_refresh_ask(struct exchange *x)
{
	const char *name = settings_text(x->settings, "cli-token");

	if (x->step == CATALYST_START && name)
		return ask_need(x, name);
	return ask_refresh(x);
}

/* ---- hearing ---- */

static int adopt(struct exchange *x, const struct json *answer, const struct cli *old)
{
	const char *fresh = catalyst_string(answer, "refresh_token");
	struct cli sent;
	BUFFER_AUTO kept = BUFFER_INIT(LIMIT_SECRET);

	if (!find_adopted(x, old, &sent))
		sent = *old;
	if (!fresh ||
	    (strlen(fresh) == sent.len - 2 && memcmp(fresh, sent.value + 2, sent.len - 2) == 0))
		return 0;
	buffer_append(&kept, old->value, old->len);
	buffer_text(&kept, " ");
	buffer_append(&kept, old->value, 2);
	buffer_text(&kept, fresh);
	if (buffer_error(&kept))
		return buffer_error(&kept);
	x->drop_grant = false;
	return secret_new(buffer_string(&kept), kept.len, &x->ret_grant);
}

/* What had replaced the CLI token is dead: the token itself may have been given anew since. */
static int hear_dead(struct exchange *x, const struct cli *cli)
{
	struct cli adopted;
	int r = 0;

	if (find_adopted(x, cli, &adopted)) {
		x->drop_grant = true;
		return EXCHANGE_ASK;
	}
	if (settings_text(x->settings, "cli-token"))
		r = remember_dead(x, cli);
	return r < 0 ? r : fail_dead(x);
}

static int hear_token(struct exchange *x, const struct json *answer, const struct cli *cli)
{
	const char *scope = x->given ? token_facts(x->given)->scope : NULL;
	int r = adopt(x, answer, cli);

	if (r < 0)
		return r;
	return catalyst_issue_access(x, answer, catalyst_centre_of(x, x->given), scope);
}

int catalyst_refresh_hear(struct exchange *x, const struct response *r)
{
	JSON_AUTO *answer = NULL;
	struct cli cli;
	int e = catalyst_parse(r, &answer);

	if (e < 0)
		return e;
	if (!find_cli(x, &cli))
		return missing(x);
	/* the body decides, not the status (1.5) */
	if (catalyst_string(answer, "access_token"))
		return hear_token(x, answer, &cli);
	if (catalyst_is_error(answer, "invalid_code"))
		return hear_dead(x, &cli);
	return catalyst_refuse(x, r, answer);
}
