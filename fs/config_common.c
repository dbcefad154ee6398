/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "config_common.h"

#define TIMEOUT_MIN_MS 1000
#define TIMEOUT_MAX_MS (10 * 60 * 1000)

/* clang-format off */
const struct field config_mount_fields[] = {
	{ "state-dir", FIELD_PATH, 0, NULL, NULL,
	  "where tokens and keys are kept, a directory per mount" },
	{ "margin", FIELD_DURATION, 0, "30s", NULL,
	  "how long a token is valid at least when it is handed out" },
	{ "timeout", FIELD_DURATION, 0, "30s", NULL, "no operation takes longer, from 1s to 10m" },
	{ "audit", FIELD_YES_NO, 0, "no", NULL, "whether every open is logged" },
	{ "allow-other", FIELD_YES_NO, 0, NULL, NULL, "whether other users see the mount" },
	{ 0 },
};

const struct field config_common_fields[] = {
	{ "type", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "the type of provider" },
	{ "owner", FIELD_TEXT, 0, NULL, NULL,
	  "who the files belong to: a user's name or number (who mounts)" },
	{ "group", FIELD_TEXT, 0, NULL, NULL, "their group: a name or number (of who mounts)" },
	{ "mode", FIELD_TEXT, 0, "0600", NULL, "their mode in octal, such as 0440" },
	{ "newline", FIELD_YES_NO, 0, "no", NULL, "whether a token ends with a newline" },
	{ "margin", FIELD_DURATION, 0, NULL, NULL,
	  "how long a token is valid at least when it is handed out" },
	{ "timeout", FIELD_DURATION, 0, NULL, NULL, "how long a fetch may take, from 1s to 10m" },
	{ "prefetch", FIELD_YES_NO, 0, "yes", NULL,
	  "whether tokens are fetched when the mount starts" },
	{ "list-every", FIELD_DURATION, 0, "1m", NULL,
	  "how old a listing may get, for servers that list their tokens; 0s: only at the start" },
	{ "ca-file", FIELD_PATH, 0, NULL, NULL,
	  "who may have signed the server's certificate (the system's authorities)" },
	{ "insecure-tls", FIELD_YES_NO, 0, "no", NULL,
	  "yes: the server's certificate is not verified" },
	{ "proxy", FIELD_TEXT, 0, NULL, NULL,
	  "the proxy's URL, such as http://proxy.example.org:3128" },
	{ "env", FIELD_TEXT, 0, NULL, NULL, "the name of the variable in .env (the type's)" },
	{ 0 },
};
/* clang-format on */

static int check_timeout(const struct settings *s, const char *key, struct sentence *why)
{
	int64_t ms = settings_ms(s, key);

	if (ms >= TIMEOUT_MIN_MS && ms <= TIMEOUT_MAX_MS)
		return 0;
	sentence_set(why, "%s is a time from 1s to 10m", key);
	return -EINVAL;
}

static int check_list_every(const struct settings *s, const char *key, struct sentence *why)
{
	int64_t ms = settings_ms(s, key);

	if (ms == 0 || (ms >= 1000 && ms <= INT64_C(86400000)))
		return 0;
	sentence_set(why, "%s is a time from 1s to 24h, or 0s", key);
	return -EINVAL;
}

static int check_ca_file(const struct settings *s, const char *key, struct sentence *why)
{
	const char *path = settings_text(s, key);

	if (access(path, R_OK) == 0)
		return 0;
	sentence_set(why, "%s: %.200s: %s", key, path, strerror(errno));
	return -EINVAL;
}

static int check_proxy(const struct settings *s, const char *key, struct sentence *why)
{
	static const char *const schemes[] = { "http://",    "https://",  "socks4://",
					       "socks4a://", "socks5://", "socks5h://" };
	const char *proxy = settings_text(s, key);

	if (strchr(proxy, '@')) {
		sentence_set(why,
			     "%s cannot hold a user or password: they would be in the clear here",
			     key);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(proxy, schemes[i], strlen(schemes[i])) == 0 &&
		    proxy[strlen(schemes[i])] != '\0' && !strpbrk(proxy, " \t"))
			return 0;
	sentence_set(why,
		     "%s is a URL that begins with http, https, socks4, socks4a, socks5 or "
		     "socks5h and ://",
		     key);
	return -EINVAL;
}

static int check_env(const struct settings *s, const char *key, struct sentence *why)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	const char *name = settings_text(s, key);
	const char *at = name;

	while (*at && (strchr(letters, *at) || (at > name && *at >= '0' && *at <= '9')))
		at++;
	if (*at == '\0' && at > name)
		return 0;
	sentence_set(why, "%s is a variable's name: letters, digits and _, no digit first", key);
	return -EINVAL;
}

static const struct {
	const char *key;
	int (*check)(const struct settings *s, const char *key, struct sentence *why);
} checks[] = {
	{ "timeout", check_timeout },
	{ "list-every", check_list_every },
	{ "ca-file", check_ca_file },
	{ "proxy", check_proxy },
	{ "env", check_env },
};

void config_common_check(const struct config_section *section, const struct settings *s,
			 struct config_report *report)
{
	const char *ca_file = settings_text(s, "ca-file");
	struct sentence why;

	if (ca_file && !config_check_outside(report, section->file,
					     config_section_line(section, "ca-file"), "ca-file",
					     ca_file))
		return;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (settings_has(s, checks[i].key) && checks[i].check(s, checks[i].key, &why) < 0)
			config_mistake(report, section->file,
				       config_section_line(section, checks[i].key), "%s", why.text);
	if (settings_yes(s, "insecure-tls"))
		config_warning(report, section->file, config_section_line(section, "insecure-tls"),
			       "insecure-tls: whoever is between here and the server can read the "
			       "password; better give its authority as ca-file");
}
