/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "cmd.h"
#include "config_default.h"
#include "moment.h"
#include "screen.h"

#define USAGE "login [-m MOUNTPOINT] PROVIDER"
#define STEP_MS 1000
#define LIMIT_PAGE (64u << 10)

struct session {
	struct client client;
	const char *provider;
	struct screen screen;
	int signals; /* signalfd: what ends us is blocked, so that no login is left behind */
	int changes; /* inotify on the provider's directory, or -1 */
	int signal;  /* that ended us, or 0 */
};

/* One login, as it was found in .login and then in .status. */
struct course {
	struct json *page; /* owned */
	char slot[PATH_MAX];
	int64_t expires_ms;
	enum progress progress;
	struct buffer message;
};

static void course_cleanup(struct course *c)
{
	json_free(c->page);
	buffer_finish(&c->message);
}
#define COURSE_AUTO __attribute__((cleanup(course_cleanup))) struct course
#define COURSE_INIT ((struct course){ .message = BUFFER_INIT(LIMIT_PAGE) })

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show(const struct buffer *text)
{
	fputs(buffer_string(text), stdout);
	fflush(stdout);
}

static void complain(const struct session *s, const char *text)
{
	BUFFER_AUTO line = BUFFER_INIT(LIMIT_PAGE);

	screen_clear(&s->screen, &line);
	show(&line);
	buffer_clear(&line);
	buffer_text(&line, "tokenfs: ");
	screen_text(s->provider, &line);
	buffer_text(&line, ": ");
	screen_text(text, &line);
	fprintf(stderr, "%s\n", buffer_string(&line));
}

static int status_of(const struct session *s, struct json **ret)
{
	BUFFER_AUTO path = BUFFER_INIT(PATH_MAX);

	buffer_format(&path, "%s/.status", s->provider);
	return client_read_json(&s->client, buffer_string(&path), ret);
}

/* What the provider's .status says of what went wrong last; a login that failed has its own words. */
static const char *reason_in(struct json *status)
{
	struct json *error = json_get(status, "last_error");
	struct json *login = json_get(status, "login");
	const char *state = json_string(login, "state");
	const char *at = json_string(error, "at"), *ended_at = json_string(login, "ended_at");
	bool failed = state && progress_of(state) != PROGRESS_DONE;

	/* RFC 3339 in UTC: the later one is the greater text */
	if (failed && ended_at && (!at || strcmp(ended_at, at) >= 0))
		return json_string(login, "message");
	return json_string(error, "message");
}

static void complain_of(const struct session *s, int error)
{
	JSON_AUTO *status = NULL;
	const char *message = status_of(s, &status) ? NULL : reason_in(status);

	complain(s, message && *message ? message : strerror(error));
}

/* --- what may take long, and what ends us meanwhile */

/* 0; -EINTR: a signal came; 1: `fd` (or -1) can be read; 2: neither in `wait_ms` (-1: for ever). */
static int wait_for(struct session *s, int fd, int wait_ms)
{
	struct pollfd fds[] = { { s->signals, POLLIN, 0 }, { fd, POLLIN, 0 } };
	struct signalfd_siginfo info;

	if (poll(fds, 2, wait_ms) == 0)
		return 2;
	if (fds[0].revents && read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		s->signal = (int)info.ssi_signo;
		return -EINTR;
	}
	return fds[1].revents ? 1 : 0;
}

/* In a process of its own. Of a token nothing goes through the pipe: that it opens is all. */
static void read_into(const struct session *s, const char *path, bool content, int pipe)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_PAGE);
	int fd, r = 0;

	if (content) {
		r = client_read(&s->client, path, &text);
		if (!r && write(pipe, buffer_string(&text), text.len) != (ssize_t)text.len)
			r = -EPIPE;
	} else {
		fd = openat(s->client.root, path, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	_exit(-r);
}

static int collect(struct session *s, int pipe, struct buffer *out)
{
	char chunk[4096];
	ssize_t n;
	int r;

	for (;;) {
		r = wait_for(s, pipe, -1);
		if (r < 0)
			return r;
		if (r != 1)
			continue;
		n = read(pipe, chunk, sizeof chunk);
		if (n <= 0)
			return n ? -errno : buffer_error(out);
		buffer_append(out, chunk, (size_t)n);
	}
}

/*
 * Opens a file, which waits for a server. Nobody can end an open(2) that a daemon does not answer, so
 * somebody else waits in it. `out` NULL: to open it is enough. -EINTR: a signal came; -errno.
 */
static int open_slowly(struct session *s, const char *path, struct buffer *out)
{
	BUFFER_AUTO nothing = BUFFER_INIT(1);
	int ends[2], status, r;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child == 0)
		read_into(s, path, out, ends[1]);
	r = child < 0 ? -errno : 0;
	close(ends[1]);
	if (!r)
		r = collect(s, ends[0], out ? out : &nothing);
	close(ends[0]);
	if (r && child > 0)
		kill(child, SIGKILL);
	else if (!r && waitpid(child, &status, 0) == child)
		r = WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
	return r;
}

/* --- one login */

static int begin(struct session *s, struct course *c)
{
	BUFFER_AUTO path = BUFFER_INIT(PATH_MAX);
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_PAGE);
	const char *name, *expires;
	int r;

	buffer_format(&path, "%s/.login", s->provider);
	r = open_slowly(s, buffer_string(&path), &text);
	if (!r)
		r = json_parse(buffer_string(&text), text.len, NULL, &c->page);
	if (r)
		return r;
	name = json_string(c->page, "name");
	expires = json_string(c->page, "expires_at");
	if (!name || !expires || !json_string(c->page, "verification_uri") ||
	    !json_string(c->page, "user_code") || moment_of_text(expires, &c->expires_ms))
		return -EBADMSG;
	snprintf(c->slot, sizeof c->slot, "%s/%s", s->provider, name);
	return 0;
}

static void show_page(const struct session *s, const struct course *c)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RENDER);
	struct page page = {
		.slot = c->slot,
		.uri = json_string(c->page, "verification_uri"),
		.uri_complete = json_string(c->page, "verification_uri_complete"),
		.code = json_string(c->page, "user_code"),
	};

	screen_page(&s->screen, &page, &text);
	show(&text);
}

/* Codes that end at another moment are another login's; one that has none yet is still asked for. */
static bool has_another_code(const struct course *c, struct json *login)
{
	const char *expires = json_string(login, "expires_at");

	return expires && strcmp(expires, json_string(c->page, "expires_at")) != 0;
}

/*
 * How it is going. A mount whose worker is being replaced may be silent for a moment; one that is gone
 * stays so. Another login in our place: ours ended, and whether the token opens tells how.
 */
static void look(const struct session *s, struct course *c)
{
	JSON_AUTO *status = NULL;
	struct json *login;
	const char *name;
	int r = status_of(s, &status);

	if (r) {
		c->progress = r == -ENOENT || r == -ENOTCONN || r == -EBADF ? PROGRESS_GONE
									    : PROGRESS_WAITING;
		return;
	}
	login = json_get(status, "login");
	name = json_string(login, "name");
	if (!name || strcmp(name, json_string(c->page, "name")) != 0 || has_another_code(c, login)) {
		c->progress = PROGRESS_GONE;
		return;
	}
	c->progress = progress_of(json_string(login, "state"));
	buffer_clear(&c->message);
	if (json_string(login, "message"))
		buffer_text(&c->message, json_string(login, "message"));
}

static void drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof events) > 0)
		;
}

/* With no descriptor of the mount: who waits for a person must not keep it from being unmounted. */
static int wait_outside(struct session *s)
{
	int r;

	client_close(&s->client);
	r = wait_for(s, s->changes, STEP_MS);
	s->client.root = open(s->client.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r;
}

static int follow(struct session *s, struct course *c)
{
	int r;

	for (;;) {
		BUFFER_AUTO text = BUFFER_INIT(LIMIT_PAGE);

		look(s, c);
		if (progress_is_final(c->progress))
			return 0;
		screen_countdown(&s->screen, c->expires_ms - wall_ms(), &text);
		show(&text);
		r = wait_outside(s);
		if (r < 0)
			return r;
		if (r == 1)
			drain(s->changes);
	}
}

/* 0; -errno, and it has been said. */
static int finish(struct session *s, const struct course *c)
{
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_PAGE);
	bool may_be = c->progress == PROGRESS_DONE || c->progress == PROGRESS_GONE;
	int r = may_be ? open_slowly(s, c->slot, NULL) : -ENOKEY;

	if (r == -EINTR)
		return r;
	screen_clear(&s->screen, &text);
	show(&text);
	buffer_clear(&text);
	if (r && c->progress == PROGRESS_DONE) {
		complain_of(s, -r);
		return r;
	}
	screen_result(c->slot, r ? c->progress : PROGRESS_DONE,
		      c->progress == PROGRESS_GONE ? NULL : buffer_string(&c->message), &text);
	if (r)
		fprintf(stderr, "tokenfs: %s", buffer_string(&text));
	else
		show(&text);
	return r;
}

/* Nothing is to go on behind anybody's back: 0, or the errno, and it has been said. */
static int cancel(const struct session *s)
{
	BUFFER_AUTO path = BUFFER_INIT(PATH_MAX);
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_PAGE);

	buffer_format(&path, "%s/.login", s->provider);
	if (!unlinkat(s->client.root, buffer_string(&path), 0) || errno == ENOENT)
		return 0;
	buffer_format(&text, "the login goes on, for its .login cannot be removed: %s",
		      strerror(errno));
	complain(s, buffer_string(&text));
	return -EPERM;
}

static int log_in(struct session *s, char last[static PATH_MAX])
{
	COURSE_AUTO c = COURSE_INIT;
	int r = begin(s, &c);

	if (r == -EINTR)
		return r;
	if (!r && !strcmp(c.slot, last)) {
		complain(s, "a login is asked for again that was done just now");
		cancel(s);
		return -EAGAIN;
	}
	if (r) {
		complain_of(s, -r);
		return r;
	}
	strcpy(last, c.slot);
	show_page(s, &c);
	r = follow(s, &c);
	return r ? r : finish(s, &c);
}

static bool more_is_needed(const struct session *s)
{
	JSON_AUTO *status = NULL;

	return !status_of(s, &status) && json_length(json_get(status, "login_needed")) > 0;
}

static int give_up(const struct session *s)
{
	if (!cancel(s))
		complain(s, "the login was given up");
	return 128 + s->signal;
}

static int log_in_all(struct session *s)
{
	char last[PATH_MAX] = "";
	int r;

	do
		r = log_in(s, last);
	while (!r && more_is_needed(s));
	if (r == -EINTR && s->signal)
		return give_up(s);
	return r ? 1 : 0;
}

/* --- the surroundings */

static struct screen find_screen(void)
{
	struct winsize size = { 0 };
	struct screen s = { .terminal = isatty(STDOUT_FILENO) == 1 };

	setlocale(LC_CTYPE, "");
	s.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	s.rewrites = s.terminal && !config_terminal_is_dumb();
	s.colours = s.rewrites && !config_wants_no_colour();
	if (s.terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		s.columns = size.ws_col;
	else
		s.columns = 80;
	return s;
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* The token's arrival is heard of; without that .status tells a second later. */
static int changes_open(const struct session *s)
{
	BUFFER_AUTO path = BUFFER_INIT(PATH_MAX);
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	buffer_format(&path, "%s/%s", s->client.mountpoint, s->provider);
	if (fd >= 0 &&
	    inotify_add_watch(fd, buffer_string(&path), IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int cmd_login(int argc, char **argv)
{
	struct session s = { .provider = client_take_provider(&argc, argv) };
	int status;

	if (!s.provider) {
		fputs("usage: tokenfs " USAGE "\n", stderr);
		return 2;
	}
	status = client_open(USAGE, argc, argv, NULL, &s.client);
	if (status)
		return status;
	if (!client_has_provider(&s.client, s.provider)) {
		client_close(&s.client);
		return 1;
	}
	/* Whoever has read enough of us, such as head(1), may log in all the same. */
	signal(SIGPIPE, SIG_IGN);
	s.screen = find_screen();
	s.signals = signals_open();
	s.changes = changes_open(&s);
	status = log_in_all(&s);
	if (s.changes >= 0)
		close(s.changes);
	close(s.signals);
	client_close(&s.client);
	return status;
}
