/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "controlm.h"
#include "moment.h"

/* Nobody holds as many; what is compared has a bound. */
#define ROLES_MAX 256u

static int refuse(struct sentence *why, const char *reason)
{
	sentence_set(why, "%s", reason);
	return -EINVAL;
}

static int parse(const char *text, struct json **ret)
{
	int r = json_parse(text, strlen(text), NULL, ret);

	return r == -EBADMSG ? -EINVAL : r;
}

/* ---- annotations ---- */

/* They travel in header lines, of which nobody knows in which charset the server reads them. */
static bool is_annotation(const char *text)
{
	size_t len = 0;

	if (!text)
		return false;
	for (; text[len]; len++)
		if (text[len] < ' ' || text[len] > '~')
			return false;
	return len > 0 && len < LIMIT_WORD;
}

int controlm_check_annotations(const struct settings *s, struct sentence *why)
{
	static const char *const keys[] = { "annotation-subject", "annotation-description" };

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (!settings_has(s, keys[i]) || is_annotation(settings_text(s, keys[i])))
			continue;
		sentence_set(why,
			     "%s is printable ASCII only, as it is sent in a header, and at most "
			     "%u bytes",
			     keys[i], LIMIT_WORD - 1);
		return -EINVAL;
	}
	return 0;
}

static int check_annotation(const struct settings *wish, struct sentence *why)
{
	const char *text = settings_text(wish, "annotation");
	JSON_AUTO *annotation = NULL;
	int r = text ? parse(text, &annotation) : 0;

	if (r < 0 || !text)
		return r;
	if (!json_is_object(annotation))
		return refuse(why, "annotation is an object of subject and description");
	for (size_t i = 0; i < json_length(annotation); i++) {
		struct json *value = NULL;
		const char *key = json_key_at(annotation, i, &value);

		if (strcmp(key, "subject") != 0 && strcmp(key, "description") != 0)
			return refuse(why, "annotation has subject and description, nothing else");
		if (!is_annotation(json_text(value)))
			return refuse(why,
				      "annotation: subject and description are printable ASCII "
				      "only, as they are sent in headers");
	}
	return 0;
}

static void annotate(struct exchange *x, const struct json *annotation, const char *member,
		     const char *key, const char *header)
{
	const char *text = json_string(annotation, member);

	if (!text)
		text = settings_text(x->settings, key);
	if (text)
		request_header(&x->request, header, text);
}

void controlm_annotate(struct exchange *x)
{
	const char *text = x->wish ? settings_text(x->wish, "annotation") : NULL;
	JSON_AUTO *annotation = NULL;

	if (text && parse(text, &annotation) == -ENOMEM && !x->request.header.error)
		x->request.header.error = -ENOMEM;
	annotate(x, annotation, "subject", "annotation-subject", "Annotation-Subject");
	annotate(x, annotation, "description", "annotation-description", "Annotation-Description");
}

/* ---- the document alone ---- */

static int check_roles(const struct settings *wish, struct sentence *why)
{
	const char *text = settings_text(wish, "roles");
	JSON_AUTO *roles = NULL;
	int r = text ? parse(text, &roles) : 0;

	if (r < 0 || !text)
		return r;
	if (!json_is_array(roles) || json_length(roles) == 0 || json_length(roles) > ROLES_MAX)
		return refuse(why, "roles is a list of one role or more, such as [\"Admin\"]");
	for (size_t i = 0; i < json_length(roles); i++) {
		const char *role = json_text(json_at(roles, i));

		if (!role || !role[0])
			return refuse(why, "roles is a list of strings, none of them empty");
	}
	return 0;
}

static int check_date(const struct settings *wish, struct sentence *why)
{
	const char *date = settings_text(wish, "expirationDate");
	int64_t at;

	if (!date || (strlen(date) == strlen("YYYY-MM-DD") && moment_of_text(date, &at) == 0))
		return 0;
	return refuse(why, "expirationDate is a day of the calendar such as 2030-01-31");
}

int controlm_check_wish(const struct settings *s, const struct settings *wish, struct sentence *why)
{
	int r = check_roles(wish, why);

	(void)s;
	if (r == 0)
		r = check_date(wish, why);
	return r == 0 ? check_annotation(wish, why) : r;
}

/* ---- the token that is wanted ---- */

/* A copy of its own, which another tree can take over. */
static int copy(const struct json *value, struct json **ret)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_DOCUMENT);
	int r;

	json_print(value, false, &text);
	r = buffer_error(&text);
	return r < 0 ? r : parse(buffer_string(&text), ret);
}

static int want(const struct exchange *x, const char *key, const struct json *listed,
		struct json *wanted)
{
	const char *text = x->wish ? settings_text(x->wish, key) : NULL;
	const struct json *value = json_get(listed, key);
	struct json *member = NULL;
	int r = 0;

	if (text && strcmp(key, "roles") == 0)
		r = parse(text, &member);
	else if (text)
		member = json_new_string(text);
	else if (value)
		r = copy(value, &member);
	else
		return 0;
	if (r < 0)
		return r;
	json_set(wanted, key, member);
	return 0;
}

/*
 * All fields, since PUT takes none of them as "leave it as it is" (wire 2.2): what the document
 * does not say is as it was listed last.
 */
int controlm_wanted(const struct exchange *x, struct json **ret)
{
	static const char *const keys[] = { "roles",	  "expirationDate", "tokenType", "server",
					    "serverHost", "serverId",	    "tag" };
	JSON_AUTO *listed = NULL;
	struct json *wanted;
	bool updates = x->purpose == PURPOSE_UPDATE && x->details;
	int r = updates ? parse(x->details, &listed) : 0;

	if (r == -ENOMEM)
		return r;
	wanted = json_new_object();
	r = wanted ? 0 : -ENOMEM;
	json_set_string(wanted, "tokenName", x->name);
	for (size_t i = 0; r == 0 && i < sizeof keys / sizeof keys[0]; i++)
		r = want(x, keys[i], listed, wanted);
	if (r < 0) {
		json_free(wanted);
		return r;
	}
	*ret = wanted;
	return 0;
}

/* Tokens of agents have no roles; what nothing is said of is a user's. */
static bool needs_roles(const struct json *wanted)
{
	const char *type = json_string(wanted, "tokenType");

	return !type || strcasecmp(type, "User") == 0;
}

int controlm_check_wanted(struct exchange *x, const struct json *wanted)
{
	const char *name = x->wish ? settings_text(x->wish, "tokenName") : NULL;

	if (controlm_is_session(x->settings, x->name))
		return exchange_fail(
			x, EXCHANGE_INVALID,
			"%s is the login of the configured user, not an API token: write "
			"the document to another name",
			x->name);
	if (name && strcmp(name, x->name) != 0)
		return exchange_fail(x, EXCHANGE_INVALID,
				     "tokenName is not the name of the file: leave it out");
	if (needs_roles(wanted) && json_length(json_get(wanted, "roles")) == 0)
		return exchange_fail(x, EXCHANGE_INVALID,
				     "roles is missing: a user's token needs one at least, such as "
				     "{\"roles\": [\"Admin\"]}");
	return EXCHANGE_ASK;
}

static bool has_role(const struct json *roles, const char *role)
{
	for (size_t i = 0; i < json_length(roles); i++) {
		const char *text = json_text(json_at(roles, i));

		if (text && role && strcmp(text, role) == 0)
			return true;
	}
	return false;
}

static bool same_roles(const struct json *a, const struct json *b)
{
	size_t n = json_length(a), m = json_length(b);

	if (n > ROLES_MAX || m > ROLES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!has_role(b, json_text(json_at(a, i))))
			return false;
	for (size_t i = 0; i < m; i++)
		if (!has_role(a, json_text(json_at(b, i))))
			return false;
	return true;
}

static bool same_date(const char *a, const char *b)
{
	int64_t at_a, at_b;

	a = a && a[0] ? a : NULL;
	b = b && b[0] ? b : NULL;
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0 ||
	       (moment_of_text(a, &at_a) == 0 && moment_of_text(b, &at_b) == 0 && at_a == at_b);
}

bool controlm_is_wanted(const struct json *wanted, const struct json *token)
{
	return same_roles(json_get(wanted, "roles"), json_get(token, "roles")) &&
	       same_date(json_string(wanted, "expirationDate"),
			 json_string(token, "expirationDate"));
}
