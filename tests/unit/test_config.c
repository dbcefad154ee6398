/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "name.h"

/* A directory of its own for each test, with a secret in it, and what loading said. */
struct bench {
	char top[64], conf[96], secret[96];
	struct buffer mistakes;
	struct config *config;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void write_bytes(const char *path, const char *bytes, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void write_text(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text), 0600);
}

static int setup(void **state)
{
	static const char *const names[] = { "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY",
					     "XDG_CONFIG_HOME", "XDG_STATE_HOME",
					     "XDG_RUNTIME_DIR" };
	struct bench *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	snprintf(b->top, sizeof(b->top), "/tmp/test_config.XXXXXX");
	if (!mkdtemp(b->top))
		return -1;
	snprintf(b->conf, sizeof(b->conf), "%s/tokenfs.conf", b->top);
	snprintf(b->secret, sizeof(b->secret), "%s/secret", b->top);
	b->mistakes = BUFFER_INIT(1u << 20);
	write_text(b->secret, "hunter2-in-its-file");
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	if (seteuid(getuid()) < 0) /* of a test that failed as somebody else */
		return -1;
	config_free(b->config);
	buffer_finish(&b->mistakes);
	nftw(b->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(b);
	return 0;
}

static int reload(struct bench *b)
{
	b->config = config_free(b->config);
	buffer_clear(&b->mistakes);
	return config_load(b->conf, NULL, &b->mistakes, &b->config);
}

/* Loads a text in which each @ is the path of the secret. */
static int load(struct bench *b, const char *text)
{
	BUFFER_AUTO whole = BUFFER_INIT(1u << 20);

	for (; *text; text++) {
		if (*text == '@')
			buffer_text(&whole, b->secret);
		else
			buffer_append(&whole, text, 1);
	}
	write_text(b->conf, buffer_string(&whole));
	return reload(b);
}

static struct config *load_good(struct bench *b, const char *text)
{
	int r = load(b, text);

	if (r < 0 || b->mistakes.len > 0)
		fail_msg("%d: %s", r, buffer_string(&b->mistakes));
	return b->config;
}

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void assert_says(struct bench *b, const char *words)
{
	if (!strstr(buffer_string(&b->mistakes), words))
		fail_msg("\"%s\" is not in:\n%s", words, buffer_string(&b->mistakes));
}

/* Exactly one mistake, at a line. */
static void refuse_loaded(struct bench *b, int r, int line, const char *words)
{
	char place[128];

	snprintf(place, sizeof(place), "%s:%d: ", b->conf, line);
	assert_int_equal(r, -EINVAL);
	assert_null(b->config);
	assert_says(b, words);
	if (strncmp(buffer_string(&b->mistakes), place, strlen(place)) != 0 ||
	    count_lines(buffer_string(&b->mistakes)) != 1)
		fail_msg("not one mistake at line %d:\n%s", line, buffer_string(&b->mistakes));
}

static void refuse(struct bench *b, const char *text, int line, const char *words)
{
	refuse_loaded(b, load(b, text), line, words);
}

static void warn(struct bench *b, const char *text, int line, const char *words)
{
	char place[128];

	snprintf(place, sizeof(place), "%s:%d: warning: ", b->conf, line);
	assert_int_equal(load(b, text), 0);
	assert_int_equal(strncmp(buffer_string(&b->mistakes), place, strlen(place)), 0);
	assert_says(b, words);
}

#define OAUTH2                                                                                     \
	"[iam]\n"                                                                                  \
	"type = oauth2\n"                                                                          \
	"token-url = https://iam.example.org/token\n"                                              \
	"client-id = me\n"                                                                         \
	"grant = client_credentials\n"

static void sections_become_providers_and_slots(void **state)
{
	struct config *c = load_good(*state, "[tokenfs]\n"
					     "margin = 1m\n"
					     "audit = yes\n"
					     "\n"
					     "[iam/storage]\n"
					     "scope = storage.read:/\n"
					     "mode = 0444\n" OAUTH2 "client-secret-file = @\n"
					     "mode = 0440\n"
					     "[local]\n"
					     "type = local\n");
	const struct config_provider *p = c->providers;

	assert_int_equal(settings_ms(c->mount, "margin"), 60000);
	assert_int_equal(settings_ms(c->mount, "timeout"), 30000);
	assert_true(settings_yes(c->mount, "audit"));
	assert_false(settings_has(c->mount, "allow-other"));
	assert_string_equal(p->name, "iam");
	assert_string_equal(p->file, ((struct bench *)*state)->conf);
	assert_int_equal(p->line, 8);
	assert_string_equal(p->type->name, "oauth2");
	assert_string_equal(settings_text(p->settings, "client-id"), "me");
	assert_int_equal(p->access.mode, 0440);
	assert_int_equal(p->access.uid, geteuid());
	assert_int_equal(p->access.gid, getegid());
	assert_string_equal(p->slots->name, "storage");
	assert_int_equal(p->slots->access.mode, 0444);
	assert_string_equal(settings_text(p->slots->wish, "scope"), "storage.read:/");
	assert_null(p->slots->next);
	assert_string_equal(p->next->name, "local");
	assert_int_equal(p->next->access.mode, 0600);
	assert_null(p->next->slots);
	assert_null(p->next->next);
}

static void secret_is_known_by_its_place_and_never_read(void **state)
{
	struct bench *b = *state;
	struct config *c = load_good(b, OAUTH2 "client-secret-file = @\n"
					       "[s]\ntype = static\n"
					       "token-command = /bin/false 'a b'\n");
	const struct secret_source *s = c->providers->secrets;

	assert_string_equal(s->key, "client-secret");
	assert_int_equal(s->place, SECRET_FILE);
	assert_string_equal(s->where, b->secret);
	assert_null(s->next);
	assert_null(settings_secret(c->providers->settings, "client-secret"));
	s = c->providers->next->secrets;
	assert_int_equal(s->place, SECRET_COMMAND);
	assert_string_equal(s->where, "/bin/false 'a b'");
}

static void command_is_not_run(void **state)
{
	struct bench *b = *state;
	char text[256], mark[96];

	snprintf(mark, sizeof(mark), "%s/ran", b->top);
	snprintf(text, sizeof(text), "[s]\ntype = static\ntoken-command = touch %s\n", mark);
	load_good(b, text);
	assert_int_not_equal(access(mark, F_OK), 0);
}

static void plain_secret_is_refused_and_not_quoted(void **state)
{
	struct bench *b = *state;

	refuse(b, "[s]\ntype = static\ntoken = hunter2\n", 3, "token-file");
	assert_null(strstr(buffer_string(&b->mistakes), "hunter2"));
}

static void two_sources_of_a_secret_are_a_mistake(void **state)
{
	refuse(*state, "[s]\ntype = static\ntoken-file = @\ntoken-command = pass token\n", 4,
	       "given twice");
}

static void missing_secret_file_is_a_mistake(void **state)
{
	refuse(*state, "[s]\ntype = static\ntoken-file = /nonexistent/x\n", 3, "No such file");
	refuse(*state, "[s]\ntype = static\ntoken-file = relative\n", 3, "absolute path");
	refuse(*state, "[s]\ntype = static\ntoken-file = /etc\n", 3, "directory");
	refuse(*state, "[s]\ntype = static\ntoken-command = pass 'token\n", 3, "do not close");
}

static void secret_file_that_others_can_read_is_warned_about(void **state)
{
	struct bench *b = *state;

	assert_int_equal(chmod(b->secret, 0640), 0);
	warn(b, "[s]\ntype = static\ntoken-file = @\n", 3, "others can read");
}

static void credential_is_looked_up_where_systemd_puts_it(void **state)
{
	struct bench *b = *state;

	warn(b, "[s]\ntype = static\ntoken-credential = secret\n", 3, "LoadCredential=");
	setenv("CREDENTIALS_DIRECTORY", b->top, 1);
	load_good(b, "[s]\ntype = static\ntoken-credential = secret\n");
	assert_int_equal(b->config->providers->secrets->place, SECRET_CREDENTIAL);
	refuse(b, "[s]\ntype = static\ntoken-credential = other\n", 3, "No such file");
	refuse(b, "[s]\ntype = static\ntoken-credential = ../secret\n", 3, "not a path");
}

static void insecure_tls_is_warned_about(void **state)
{
	warn(*state, "[l]\ntype = local\ninsecure-tls = yes\n", 3, "insecure-tls");
}

static void every_mistake_is_found_not_only_the_first(void **state)
{
	struct bench *b = *state;

	assert_int_equal(load(b, "[tokenfs]\n"
				 "marign = 3s\n"
				 "[one]\n"
				 "type = siemens\n"
				 "[two]\n"
				 "url = https://x.example\n"
				 "[three]\n"
				 "type = static\n"
				 "mode = 0777\n"),
			 -EINVAL);
	assert_int_equal(count_lines(buffer_string(&b->mistakes)), 5);
	assert_says(b, "tokenfs.conf:2: marign is not a known key: did you mean margin?");
	assert_says(b, "tokenfs.conf:4: there is no type siemens; the types are oauth2");
	assert_says(b, "tokenfs.conf:5: [two] has no type; the types are oauth2");
	assert_says(b, "tokenfs.conf:7: [three] has no token: give token-file");
	assert_says(b, "tokenfs.conf:9: a token cannot be executed");
}

static void unknown_key_offers_the_nearest_of_type_and_common_keys(void **state)
{
	refuse(*state, "[l]\ntype = local\nonwer = root\n", 3, "did you mean owner?");
	refuse(*state, "[l]\ntype = local\nsubjekt = x\n", 3, "did you mean subject?");
	refuse(*state, "[l]\ntype = local\n[l/x]\nsubjekt = x\n", 4, "did you mean subject?");
	refuse(*state, "[s]\ntype = static\ntoken-file = @\ntokn-file = @\n", 4,
	       "did you mean token-file?");
}

static void missing_keys_are_reported_at_the_section(void **state)
{
	refuse(*state, "\n\n[s]\ntype = static\n", 3, "[s] has no token");
}

static void type_check_is_reported_at_the_section(void **state)
{
	struct bench *b = *state;

	assert_int_equal(load(b, "\n[iam]\ntype = oauth2\nclient-id = x\n"
				 "grant = client_credentials\n"),
			 -EINVAL);
	assert_says(b, "tokenfs.conf:2: [iam]");
}

static void http_off_loopback_is_refused(void **state)
{
	refuse(*state,
	       "[iam]\ntype = oauth2\ntoken-url = http://iam.example.org/t\nclient-id = x\n"
	       "client-secret-file = @\ngrant = client_credentials\n",
	       3, "token-url");
}

static void key_given_twice_is_a_mistake(void **state)
{
	refuse(*state, "[l]\ntype = local\nowner = 1\nowner = 2\n", 4, "twice");
	refuse(*state, "[tokenfs]\nmargin = 1s\nmargin = 2s\n", 3, "twice");
}

static void section_given_twice_is_a_mistake(void **state)
{
	struct bench *b = *state;
	char dir[128], part[160], place[320];

	refuse(b, "[l]\ntype = local\n[l]\ntype = local\n", 3, "tokenfs.conf:1");
	snprintf(dir, sizeof(dir), "%s.d", b->conf);
	snprintf(part, sizeof(part), "%s/10.conf", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	write_text(part, "\n[l]\ntype = local\n");
	assert_int_equal(load(b, "[l]\ntype = local\n"), -EINVAL);
	snprintf(place, sizeof(place), "%s:2: the section [l] stands already at %s:1", part,
		 b->conf);
	assert_says(b, place);
}

static void parts_are_read_in_order_after_the_file(void **state)
{
	struct bench *b = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s.d", b->conf);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s.d/20.conf", b->conf);
	write_text(path, "[c]\ntype = local\n");
	snprintf(path, sizeof(path), "%s.d/.hidden.conf", b->conf);
	write_text(path, "[hidden]\ntype = local\n");
	snprintf(path, sizeof(path), "%s.d/30.conf~", b->conf);
	write_text(path, "[old]\ntype = local\n");
	snprintf(path, sizeof(path), "%s.d/10.conf", b->conf);
	write_text(path, "[b]\ntype = local\n[a/x]\nsubject = s\n");
	load_good(b, "[a]\ntype = local\n");
	assert_string_equal(b->config->providers->name, "a");
	assert_string_equal(b->config->providers->slots->name, "x");
	assert_string_equal(b->config->providers->next->name, "b");
	assert_string_equal(b->config->providers->next->file, path);
	assert_string_equal(b->config->providers->next->next->name, "c");
	assert_null(b->config->providers->next->next->next);
}

static void named_file_that_is_missing_is_enoent(void **state)
{
	struct bench *b = *state;

	assert_int_equal(reload(b), -ENOENT);
	assert_says(b, "tokenfs.conf: there is no such file\n");
}

static void file_that_cannot_be_read_is_a_mistake(void **state)
{
	struct bench *b = *state;

	assert_int_equal(mkdir(b->conf, 0700), 0);
	assert_int_equal(reload(b), -EINVAL);
	assert_says(b, "tokenfs.conf: cannot read the file: Is a directory");
}

static void comments_byte_order_mark_and_line_ends_are_understood(void **state)
{
	struct config *c = load_good(*state, "\xef\xbb\xbf[l]   # the first\r\n"
					     "; a comment\r\n"
					     "  # another = one\r\n"
					     "  type = local ; here too\r\n"
					     "\tsubject = a#b;c\t# not d\r\n"
					     "audience = x=y:z");

	assert_string_equal(c->providers->name, "l");
	assert_string_equal(settings_text(c->providers->settings, "subject"), "a#b;c");
	assert_string_equal(settings_text(c->providers->settings, "audience"), "x=y:z");
}

static void long_value_is_taken_whole(void **state)
{
	char text[4096] = "[l]\ntype = local\nsubject = ";
	const char *value;

	memset(text + strlen(text), 's', 3000);
	load_good(*state, text);
	value = settings_text(((struct bench *)*state)->config->providers->settings, "subject");
	assert_int_equal(strlen(value), 3000);
	assert_int_equal(strspn(value, "s"), 3000);
}

static void long_name_of_a_section_is_taken_whole(void **state)
{
	char text[512] = "[";

	memset(text + 1, 'n', 255);
	strncat(text, "]\ntype = local\n", sizeof(text) - strlen(text) - 1);
	assert_int_equal(strlen(load_good(*state, text)->providers->name), 255);
	memset(text + 1, 'n', 256);
	memcpy(text + 257, "]\ntype = local\n", 16);
	refuse(*state, text, 1, "255 bytes");
}

static void over_long_line_is_a_mistake_not_cut(void **state)
{
	struct bench *b = *state;
	size_t len = 70000;
	char *text = malloc(len + 64);

	assert_non_null(text);
	memcpy(text, "[l]\ntype = local\nsubject = ", 28);
	memset(text + 27, 's', len);
	memcpy(text + 27 + len, "\n", 2);
	refuse(b, text, 3, "too long");
	free(text);
}

static void bytes_that_are_no_text_are_a_mistake(void **state)
{
	struct bench *b = *state;

	write_bytes(b->conf, "[l]\ntype = local\nsubject = a\0b\n", 31, 0600);
	refuse_loaded(b, reload(b), 3, "NUL");
	refuse(b, "[l]\ntype = local\nsubject = gr\xfcn\n", 3, "UTF-8");
	refuse(b, "[l]\ntype = local\nsubject = a\x1b[2J\n", 3, "control character");
}

static void lines_that_mean_nothing_are_a_mistake(void **state)
{
	refuse(*state, "[l]\ntype = local\nsubject\n", 3, "KEY = VALUE");
	refuse(*state, "[l]\ntype = local\n= x\n", 3, "KEY = VALUE");
	refuse(*state, "[l]\ntype = local\nsubject = one\n  two three\n", 4, "KEY = VALUE");
	refuse(*state, "[l]\ntype = local\nsubject =\n", 3, "has no value");
	refuse(*state, "type = local\n", 1, "under a heading");
	refuse(*state, "[l\ntype = local\n", 1, "heading");
	refuse(*state, "[l] x\ntype = local\n", 1, "heading");
	refuse(*state, "[]\ntype = local\n", 1, "empty");
}

static void names_follow_the_rule_of_the_mount(void **state)
{
	refuse(*state, "[.l]\ntype = local\n", 1, "dot");
	refuse(*state, "[l]\ntype = local\n[l/.x]\n", 3, "dot");
	refuse(*state, "[l]\ntype = local\n[l/]\n", 3, "empty");
	refuse(*state, "[l]\ntype = local\n[l/a/b]\n", 3, "slash");
	refuse(*state, "[tokenfs/x]\n", 1, "the mount");
	refuse(*state, "[x/y]\n", 1, "there is no [x]");
}

static void token_of_a_provider_that_is_not_there_is_no_subject(void **state)
{
#define EXCHANGER                                                                                    \
	"[s]\ntype = oauth2\ntoken-url = https://x.example.org/token\nclient-id = x\n"               \
	"client-auth = none\ngrant = token_exchange\nsubject-token = "

	refuse(*state, EXCHANGER "l/access_token\n", 7, "there is no [l]");
	load_good(*state, EXCHANGER "l/written_later\n[l]\ntype = local\n");
}

static void further_slot_of_a_type_with_one_token_is_refused(void **state)
{
	refuse(*state, "[s]\ntype = static\ntoken-file = @\n[s/other]\nmode = 0440\n", 4,
	       "one token");
	load_good(*state, "[s]\ntype = static\ntoken-file = @\n[s/access_token]\nmode = 0440\n");
	assert_int_equal(((struct bench *)*state)->config->providers->slots->access.mode, 0440);
}

static void owner_and_group_go_by_name_or_number(void **state)
{
	struct config *c = load_good(*state, "[l]\ntype = local\nowner = nobody\ngroup = 77\n"
					     "[l/x]\ngroup = root\n");
	const struct config_provider *p = c->providers;

	assert_int_equal(p->access.uid, getpwnam("nobody")->pw_uid);
	assert_int_equal(p->access.gid, 77);
	assert_int_equal(p->slots->access.uid, p->access.uid);
	assert_int_equal(p->slots->access.gid, 0);
	assert_int_equal(p->slots->access.mode, 0600);
	refuse(*state, "[l]\ntype = local\nowner = no-such-user\n", 3, "no such user");
	refuse(*state, "[l]\ntype = local\ngroup = 4294967295\n", 3, "no such group");
	refuse(*state, "[l]\ntype = local\nowner = -1\n", 3, "no such user");
}

static void mode_gives_no_execution_and_no_writing_to_others(void **state)
{
	static const char *const bad[] = { "0700", "0602", "01600", "888", "rw-", "0x180" };
	char text[64];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[l]\ntype = local\nmode = %s\n", bad[i]);
		refuse(*state, text, 3, "mode");
	}
	assert_int_equal(
		load_good(*state, "[l]\ntype = local\nmode = 664\n")->providers->access.mode, 0664);
}

static void timeout_is_from_one_second_to_ten_minutes(void **state)
{
	refuse(*state, "[tokenfs]\ntimeout = 999ms\n", 2, "1s to 10m");
	refuse(*state, "[l]\ntype = local\ntimeout = 11m\n", 3, "1s to 10m");
	load_good(*state, "[tokenfs]\ntimeout = 10m\n[l]\ntype = local\ntimeout = 1s\n");
}

static void common_keys_are_checked(void **state)
{
	struct bench *b = *state;

	refuse(*state, "[l]\ntype = local\nenv = 1X\n", 3, "variable's name");
	refuse(*state, "[l]\ntype = local\nproxy = proxy.example:3128\n", 3, "begins with http");
	write_text(b->conf, "[l]\ntype = local\nproxy = http://u:p@proxy:1\n");
	refuse_loaded(b, reload(b), 3, "password");
	refuse(*state, "[l]\ntype = local\nca-file = /nonexistent.pem\n", 3, "No such file");
	load_good(*state, "[l]\ntype = local\nenv = MY_TOKEN\nproxy = http://proxy:3128\n");
}

static const char *identity(struct bench *b, const char *text)
{
	static char copy[3][65];
	static unsigned int turn;
	char *ret = copy[turn++ % 3];

	memcpy(ret, load_good(b, text)->providers->identity, 65);
	return ret;
}

static void identity_changes_with_the_account_alone(void **state)
{
	struct bench *b = *state;
	const char *a = identity(b, OAUTH2 "client-secret-file = @\n");

	assert_int_equal(strlen(a), 64);
	assert_string_equal(a, identity(b, OAUTH2 "client-secret-file = @\nmode = 0440\n"));
	assert_string_not_equal(a, identity(b, "[iam]\n"
					       "type = oauth2\n"
					       "token-url = https://iam.example.org/token\n"
					       "client-id = you\n"
					       "grant = client_credentials\n"
					       "client-secret-file = @\n"));
}

static void hostname_stands_in_for_what_is_not_set(void **state)
{
	struct config *c = load_good(*state, "[l]\ntype = local\n");
	char host[256] = "";

	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	assert_string_equal(settings_text(c->providers->settings, "issuer"), host);
	c = load_good(*state, "[l]\ntype = local\nissuer = me\n");
	assert_string_equal(settings_text(c->providers->settings, "issuer"), "me");
}

/* As a user: root's configuration stands in a fixed place, which this host may have. */
static void without_any_file_there_is_one_local_provider(void **state)
{
	struct bench *b = *state;

	setenv("XDG_CONFIG_HOME", b->top, 1);
	assert_int_equal(chmod(b->top, 0755), 0);
	if (geteuid() == 0 && seteuid(65534) < 0)
		skip();
	assert_int_equal(config_load(NULL, NULL, &b->mistakes, &b->config), 0);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(b->mistakes.len, 0);
	assert_string_equal(b->config->providers->name, "local");
	assert_string_equal(b->config->providers->type->name, "local");
	assert_null(b->config->providers->next);
}

static void users_configuration_is_under_xdg_config_home(void **state)
{
	struct bench *b = *state;
	BUFFER_AUTO path = BUFFER_INIT(4096);
	char want[160];

	setenv("XDG_CONFIG_HOME", b->top, 1);
	if (geteuid() == 0 && seteuid(65534) < 0)
		skip();
	config_default_path(&path);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	snprintf(want, sizeof(want), "%s/tokenfs/tokenfs.conf", b->top);
	assert_string_equal(buffer_string(&path), want);
}

static void state_directory(const struct config *c, const char *want)
{
	BUFFER_AUTO got = BUFFER_INIT(4096);

	config_state_dir(c, &got);
	assert_string_equal(buffer_string(&got), want);
}

static void state_goes_where_the_configuration_or_systemd_says(void **state)
{
	struct bench *b = *state;

	setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1);
	state_directory(load_good(b, "[tokenfs]\nstate-dir = /srv/x\n"), "/srv/x");
	state_directory(load_good(b, "[tokenfs]\n"), "/var/lib/one");
	unsetenv("STATE_DIRECTORY");
	setenv("XDG_STATE_HOME", "/home/u/state", 1);
	state_directory(b->config, geteuid() == 0 ? "/var/lib/tokenfs" : "/home/u/state/tokenfs");
}

static void mountpoint_is_in_the_runtime_directory(void **state)
{
	BUFFER_AUTO root = BUFFER_INIT(4096);
	BUFFER_AUTO user = BUFFER_INIT(4096);

	(void)state;
	setenv("XDG_RUNTIME_DIR", "/run/user/65534", 1);
	if (geteuid() == 0) {
		config_default_mountpoint(&root);
		assert_string_equal(buffer_string(&root), "/run/tokens");
		if (seteuid(65534) < 0)
			skip();
	}
	config_default_mountpoint(&user);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	assert_string_equal(buffer_string(&user), "/run/user/65534/tokens");
}

static void names_are_utf8_without_control_characters(void **state)
{
	static const struct {
		const char *name;
		int answer;
	} names[] = {
		{ "access_token", 0 },
		{ "späicher €😀", 0 },
		{ "a.b", 0 },
		{ "", -EINVAL },
		{ ".", -EINVAL },
		{ "..", -EINVAL },
		{ ".x", -EINVAL },
		{ "a/b", -EINVAL },
		{ "a\nb", -EINVAL },
		{ "a\x7f", -EINVAL },
		{ "\xc2\x85", -EINVAL },
		{ "\xc0\xaf", -EINVAL },
		{ "\xe0\x80\xaf", -EINVAL },
		{ "\xed\xa0\x80", -EINVAL },
		{ "\xf4\x90\x80\x80", -EINVAL },
		{ "\xe2\x82", -EINVAL },
		{ "\x80", -EINVAL },
	};
	char longest[257];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name_check(names[i].name, strlen(names[i].name), NULL) != names[i].answer)
			fail_msg("name %zu is not %d", i, names[i].answer);
	memset(longest, 'n', sizeof(longest));
	assert_int_equal(name_check(longest, 255, NULL), 0);
	assert_int_equal(name_check(longest, 256, NULL), -ENAMETOOLONG);
	assert_int_equal(name_check("a\0b", 3, NULL), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sections_become_providers_and_slots),
		TEST(secret_is_known_by_its_place_and_never_read),
		TEST(command_is_not_run),
		TEST(plain_secret_is_refused_and_not_quoted),
		TEST(two_sources_of_a_secret_are_a_mistake),
		TEST(missing_secret_file_is_a_mistake),
		TEST(secret_file_that_others_can_read_is_warned_about),
		TEST(credential_is_looked_up_where_systemd_puts_it),
		TEST(insecure_tls_is_warned_about),
		TEST(every_mistake_is_found_not_only_the_first),
		TEST(unknown_key_offers_the_nearest_of_type_and_common_keys),
		TEST(missing_keys_are_reported_at_the_section),
		TEST(type_check_is_reported_at_the_section),
		TEST(http_off_loopback_is_refused),
		TEST(key_given_twice_is_a_mistake),
		TEST(section_given_twice_is_a_mistake),
		TEST(parts_are_read_in_order_after_the_file),
		TEST(named_file_that_is_missing_is_enoent),
		TEST(file_that_cannot_be_read_is_a_mistake),
		TEST(comments_byte_order_mark_and_line_ends_are_understood),
		TEST(long_value_is_taken_whole),
		TEST(long_name_of_a_section_is_taken_whole),
		TEST(over_long_line_is_a_mistake_not_cut),
		TEST(bytes_that_are_no_text_are_a_mistake),
		TEST(lines_that_mean_nothing_are_a_mistake),
		TEST(names_follow_the_rule_of_the_mount),
		TEST(token_of_a_provider_that_is_not_there_is_no_subject),
		TEST(further_slot_of_a_type_with_one_token_is_refused),
		TEST(owner_and_group_go_by_name_or_number),
		TEST(mode_gives_no_execution_and_no_writing_to_others),
		TEST(timeout_is_from_one_second_to_ten_minutes),
		TEST(common_keys_are_checked),
		TEST(identity_changes_with_the_account_alone),
		TEST(hostname_stands_in_for_what_is_not_set),
		TEST(without_any_file_there_is_one_local_provider),
		TEST(users_configuration_is_under_xdg_config_home),
		TEST(state_goes_where_the_configuration_or_systemd_says),
		TEST(mountpoint_is_in_the_runtime_directory),
		TEST(names_are_utf8_without_control_characters),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
