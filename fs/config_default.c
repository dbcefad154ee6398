/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "config_default.h"

static const char *variable(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

/* The XDG specification: a path that is not absolute is to be ignored. */
static const char *directory_variable(const char *name)
{
	const char *value = variable(name);

	return value && *value == '/' ? value : NULL;
}

static const char *home(void)
{
	const char *value = directory_variable("HOME");
	const struct passwd *user;

	if (value)
		return value;
	user = getpwuid(geteuid());
	return user && user->pw_dir && *user->pw_dir == '/' ? user->pw_dir : "/";
}

/* $XDG_…, or its place under the home directory. */
static void xdg_directory(const char *name, const char *under_home, struct buffer *ret)
{
	const char *value = directory_variable(name);

	if (value)
		buffer_text(ret, value);
	else
		buffer_format(ret, "%s/%s", home(), under_home);
}

const char *config_credentials_directory(void)
{
	return directory_variable("CREDENTIALS_DIRECTORY");
}

bool config_terminal_is_dumb(void)
{
	const char *value = variable("TERM");

	return !value || !strcmp(value, "dumb");
}

bool config_wants_no_colour(void)
{
	return variable("NO_COLOR") != NULL;
}

void config_default_path(struct buffer *ret)
{
	if (geteuid() == 0)
		buffer_text(ret, "/etc");
	else
		xdg_directory("XDG_CONFIG_HOME", ".config", ret);
	buffer_text(ret, "/tokenfs/tokenfs.conf");
}

void config_default_mountpoint(struct buffer *ret)
{
	const char *runtime = directory_variable("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		buffer_text(ret, "/run/tokens");
	else if (runtime)
		buffer_format(ret, "%s/tokens", runtime);
	else
		buffer_format(ret, "/run/user/%lu/tokens", (unsigned long)geteuid());
}

void config_state_dir(const struct config *c, struct buffer *ret)
{
	const char *configured = settings_text(c->mount, "state-dir");
	const char *state = directory_variable("STATE_DIRECTORY");

	if (configured) {
		buffer_text(ret, configured);
	} else if (state) {
		buffer_append(ret, state, strcspn(state, ":")); /* systemd: a list */
	} else if (geteuid() == 0) {
		buffer_text(ret, "/var/lib/tokenfs");
	} else {
		xdg_directory("XDG_STATE_HOME", ".local/state", ret);
		buffer_text(ret, "/tokenfs");
	}
}
