/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "command.h"

#define CHUNK 4096
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

#define SHELL "/bin/sh"

/* So many bytes in a row of what it printed give it away. */
#define PIECE_OF_OUTPUT 8u

/* As shells tell it. */
#define ENDED_BY_SIGNAL 128

/* A killed program is gone within this, or it is waited for by the loop. */
#define REAP_MS 10

struct command {
	struct loop *loop;
	command_done *done; /* NULL: it is over, and only has to be reaped */
	void *ctx;
	pid_t pid; /* of the keeper, and its process group */
	struct watch ended;
	struct watch out, err;
	struct timer limit;
	int64_t timeout_ms;
	struct buffer output;
	char first_line[LIMIT_SENTENCE]; /* of standard error */
	size_t first_len;
	bool first_whole;
};

/* What to run: words and environment, as execve takes them. */
struct program {
	char *path;
	char *text; /* the words, each ended by NUL */
	char **words;
	const char *environment[4];
};

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
#define FD_AUTO __attribute__((cleanup(fd_close))) int

static void program_finish(struct program *p)
{
	free(p->path);
	free(p->text);
	free(p->words);
}
#define PROGRAM_AUTO __attribute__((cleanup(program_finish))) struct program

static void command_free(struct command *c)
{
	timer_stop(c->loop, &c->limit);
	loop_unwatch(c->loop, &c->ended);
	loop_unwatch(c->loop, &c->out);
	loop_unwatch(c->loop, &c->err);
	fd_close(&c->ended.fd);
	fd_close(&c->out.fd);
	fd_close(&c->err.fd);
	buffer_finish(&c->output);
	free(c);
}

static void command_cleanup(struct command **c)
{
	if (*c)
		command_free(*c);
}
#define COMMAND_AUTO __attribute__((cleanup(command_cleanup))) struct command

/* The words of a line. */

/* Copies one word, without its quotes, and moves both ends on; false: a quote does not close. */
static bool copy_word(const char **from, char **to)
{
	const char *in = *from;
	char *out = *to;
	char quote = '\0';

	for (; *in && (quote || (*in != ' ' && *in != '\t')); in++) {
		if (quote ? *in == quote : *in == '\'' || *in == '"')
			quote = quote ? '\0' : *in;
		else
			*out++ = *in;
	}
	*out++ = '\0';
	*from = in;
	*to = out;
	return !quote;
}

static int split(const char *line, struct program *p, struct sentence *why)
{
	size_t len = strlen(line), n = 0;
	char *to;

	p->text = malloc(len + 1);
	p->words = calloc(len / 2 + 2, sizeof(char *));
	if (!p->text || !p->words) {
		sentence_set(why, "no memory to run a command");
		return -ENOMEM;
	}
	to = p->text;
	for (line += strspn(line, " \t"); *line; line += strspn(line, " \t")) {
		p->words[n++] = to;
		if (!copy_word(&line, &to)) {
			sentence_set(why, "a quote of the command does not close");
			return -EINVAL;
		}
	}
	if (!n) {
		sentence_set(why, "the command has no words");
		return -EINVAL;
	}
	return 0;
}

/* The words of the line, or the shell's. */
static int take_line(const struct command_order *order, struct program *p, struct sentence *why)
{
	static char shell[] = SHELL, option[] = "-c";

	if (!order->shell)
		return split(order->line, p, why);
	p->text = strdup(order->line);
	p->words = calloc(4, sizeof(char *));
	if (!p->text || !p->words) {
		sentence_set(why, "no memory to run a command");
		return -ENOMEM;
	}
	p->words[0] = shell;
	p->words[1] = option;
	p->words[2] = p->text;
	return 0;
}

static bool is_variable(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(entry, name, len) && entry[len] == '=';
}

static const char *find_variable(const char *name)
{
	char **entry;

	for (entry = environ; entry && *entry; entry++)
		if (is_variable(*entry, name))
			return *entry;
	return NULL;
}

static void set_environment(struct program *p)
{
	static const char *const names[] = { "PATH", "HOME", "LANG" };
	const char *entry;
	size_t i, n = 0;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		entry = find_variable(names[i]);
		if (!entry && i == 0)
			entry = "PATH=" DEFAULT_PATH;
		if (entry)
			p->environment[n++] = entry;
	}
}

/* Like execvp, but here, where memory may be had, and without its shell for what has no #! line. */
static int find_path(struct program *p)
{
	const char *dir = p->environment[0] + strlen("PATH=");
	int error = -ENOENT;
	size_t len;

	if (strchr(p->words[0], '/')) {
		p->path = strdup(p->words[0]);
		return p->path ? 0 : -ENOMEM;
	}
	for (; *dir; dir += len + (dir[len] == ':')) {
		len = strcspn(dir, ":");
		if (!len)
			continue;
		if (asprintf(&p->path, "%.*s/%s", (int)len, dir, p->words[0]) < 0) {
			p->path = NULL;
			return -ENOMEM;
		}
		if (!access(p->path, X_OK))
			return 0;
		if (errno == EACCES)
			error = -EACCES;
		free(p->path);
		p->path = NULL;
	}
	return error;
}

/* The child, between fork and exec: async-signal-safe calls only. */

static void reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;
	int i;

	for (i = 1; i < NSIG; i++)
		sigaction(i, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * fds: what becomes standard input, output and error, and where to say why it did not run. They are
 * moved out of the way first, for one of them may be 0, 1 or 2 itself.
 */
static int take_fds(int fds[4])
{
	int i;

	for (i = 0; i < 4; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 4);
		if (fds[i] < 0)
			return -errno;
	}
	for (i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			return -errno;
	/* not closed yet, for the last of fds still has something to say */
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static _Noreturn void become(const struct program *p, pid_t parent, int fds[4])
{
	union {
		const char *const *given;
		char *const *wanted;
	} environment = { .given = p->environment };
	int error;

	reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	error = getppid() == parent ? take_fds(fds) : -ECHILD;
	if (!error) {
		execve(p->path, p->words, environment.wanted);
		error = -errno;
	}
	/* whoever reads this is dead if it cannot be written */
	(void)!write(fds[3], &error, sizeof error);
	_exit(127);
}

/*
 * The keeper. It is a copy of the worker, so it is neither dumped nor swapped, and lets go of every
 * descriptor. Signals cannot end it, so that it is there when it is needed; but for SIGKILL, and then
 * the program ends with it.
 */

static _Noreturn void end_like(int status)
{
	if (WIFSIGNALED(status)) {
		reset_signals();
		kill(getpid(), WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

static _Noreturn void watch_over(pid_t program, pid_t worker, const sigset_t *signals)
{
	int status;

	for (;;) {
		if (getppid() != worker)
			kill(0, SIGKILL);
		if (waitpid(program, &status, WNOHANG) == program)
			end_like(status);
		sigwaitinfo(signals, NULL);
	}
}

static _Noreturn void keep(const struct program *p, pid_t worker, int fds[4])
{
	pid_t program, keeper = getpid();
	sigset_t all;
	int error;

	setsid();
	reset_signals(); /* an ignored SIGCHLD would tell nothing */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	program = fork();
	if (program == 0)
		become(p, keeper, fds);
	if (program < 0) {
		error = -errno;
		(void)!write(fds[3], &error, sizeof error);
		_exit(127);
	}
	close_range(0, ~0U, 0);
	mlockall(MCL_CURRENT | MCL_ONFAULT);
	watch_over(program, worker, &all);
}

/* Starting. */

/* Waits for exec, which closes the pipe; 0, or why it failed. */
static int exec_result(int fd)
{
	int error = 0;
	ssize_t n;

	do
		n = read(fd, &error, sizeof error);
	while (n < 0 && errno == EINTR);
	return n == sizeof error ? error : 0;
}

static int spawn(const struct program *p, int in, int out, int err, pid_t *ret)
{
	FD_AUTO told = -1, tell = -1;
	pid_t parent = getpid(), pid;
	int pipes[2], r;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	told = pipes[0];
	tell = pipes[1];

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		keep(p, parent, (int[]){ in, out, err, tell });
	fd_close(&tell);
	r = exec_result(told);
	if (r < 0) {
		waitpid(pid, NULL, 0);
		return r;
	}
	*ret = pid;
	return 0;
}

/* A pipe of which our end does not block. */
static int open_pipe(int *ret_ours, int *ret_theirs)
{
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	*ret_ours = pipes[0];
	*ret_theirs = pipes[1];
	return fcntl(pipes[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int start(struct command *c, const struct program *p)
{
	FD_AUTO in = -1, out = -1, err = -1;
	int r;

	in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	r = open_pipe(&c->out.fd, &out);
	if (r < 0)
		return r;
	r = open_pipe(&c->err.fd, &err);
	if (r < 0)
		return r;
	r = timer_start(c->loop, &c->limit, loop_now(c->loop) + c->timeout_ms);
	if (r < 0)
		return r;
	r = spawn(p, in, out, err, &c->pid);
	if (r < 0)
		return r;

	c->ended.fd = pidfd_open(c->pid, 0);
	if (c->ended.fd < 0) {
		r = -errno;
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		return r;
	}
	loop_watch(c->loop, &c->ended);
	loop_watch(c->loop, &c->out);
	loop_watch(c->loop, &c->err);
	return 0;
}

/* Ending. */

static bool reap(struct command *c, int timeout_ms, siginfo_t *ret)
{
	struct pollfd ended = { .fd = c->ended.fd, .events = POLLIN };

	memset(ret, 0, sizeof *ret);
	return poll(&ended, 1, timeout_ms) > 0 &&
	       waitid(P_PIDFD, (id_t)c->ended.fd, ret, WEXITED | WNOHANG) == 0 && ret->si_pid;
}

/*
 * Kills the whole group. Its first process has not been reaped, so that the number is still its
 * own. One that hangs in the kernel is left to the loop: nothing waits for it.
 */
static void end_by_force(struct command *c)
{
	siginfo_t how;

	kill(-c->pid, SIGKILL);
	if (reap(c, REAP_MS, &how)) {
		command_free(c);
		return;
	}
	timer_stop(c->loop, &c->limit);
	loop_unwatch(c->loop, &c->out);
	loop_unwatch(c->loop, &c->err);
	buffer_clear(&c->output);
	c->done = NULL;
}

/* How much it printed, but for the white space at the end. */
static size_t printed(const struct command *c)
{
	const char *output = buffer_string(&c->output);
	size_t len = c->output.len;

	while (len && strchr(" \t\r\n", output[len - 1]))
		len--;
	return len;
}

/* Programs quote what they choke on: judged as it came, and as it would be shown. */
static const char *complaint(const struct command *c)
{
	const char *output = buffer_string(&c->output);
	struct sentence shown = { "" };

	sentence_quote(&shown, c->first_line);
	if (sentence_tells(c->first_line, output, printed(c), PIECE_OF_OUTPUT) ||
	    sentence_tells(shown.text, output, printed(c), PIECE_OF_OUTPUT))
		return "";
	return c->first_line;
}

static void give_up(struct command *c, int error, const struct sentence *why)
{
	char last_words[sizeof c->first_line];
	const struct command_result result = {
		.error = error, .status = -1, .output = "", .complaint = last_words, .why = why
	};
	command_done *done = c->done;
	void *ctx = c->ctx;

	memcpy(last_words, complaint(c), strlen(complaint(c)) + 1);
	end_by_force(c);
	done(ctx, &result);
	explicit_bzero(last_words, sizeof last_words);
}

static void explain_end(const siginfo_t *how, struct sentence *why)
{
	if (how->si_code == CLD_EXITED)
		sentence_set(why, "the command ended with status %d", how->si_status);
	else
		sentence_set(why, "the command was ended by signal %d", how->si_status);
}

static void refuse_size(struct command *c)
{
	struct sentence why;

	if (buffer_error(&c->output) == -EFBIG)
		sentence_set(&why, "the command printed more than %zu bytes", c->output.max);
	else
		sentence_set(&why, "no memory for what the command printed");
	give_up(c, buffer_error(&c->output), &why);
}

/* Reading. */

/* One chunk: how much, 0 at the end or when there is nothing now (then `*ret_end` says which). */
static size_t read_chunk(int fd, char chunk[static CHUNK], bool *ret_end)
{
	ssize_t n;

	do
		n = read(fd, chunk, CHUNK);
	while (n < 0 && errno == EINTR);
	*ret_end = n == 0 || (n < 0 && errno != EAGAIN);
	return n > 0 ? (size_t)n : 0;
}

/* False when there was nothing more. */
static bool read_output(struct command *c)
{
	char chunk[CHUNK];
	bool end;
	size_t n;

	n = read_chunk(c->out.fd, chunk, &end);
	buffer_append(&c->output, chunk, n);
	explicit_bzero(chunk, sizeof chunk);
	if (end)
		loop_unwatch(c->loop, &c->out);
	return n && !buffer_error(&c->output);
}

static bool read_errors(struct command *c)
{
	char chunk[CHUNK];
	bool end;
	size_t i, n;

	n = read_chunk(c->err.fd, chunk, &end);
	for (i = 0; i < n && !c->first_whole; i++) {
		if (chunk[i] == '\n')
			c->first_whole = c->first_len > 0;
		else
			c->first_line[c->first_len++] = chunk[i] ? chunk[i] : ' ';
		if (c->first_len == sizeof c->first_line - 1)
			c->first_whole = true;
	}
	explicit_bzero(chunk, sizeof chunk);
	if (end)
		loop_unwatch(c->loop, &c->err);
	return n && !c->first_whole;
}

static void on_output(struct watch *w, short revents)
{
	struct command *c = w->ctx;

	(void)revents;
	read_output(c);
	if (buffer_error(&c->output) < 0)
		refuse_size(c);
}

static void on_errors(struct watch *w, short revents)
{
	(void)revents;
	read_errors(w->ctx);
}

static void on_limit(struct timer *t)
{
	struct command *c = t->ctx;
	struct sentence why;

	sentence_set(&why, "the command did not end within %lld ms and was killed",
		     (long long)c->timeout_ms);
	give_up(c, -ETIMEDOUT, &why);
}

static void tell_end(struct command *c, const siginfo_t *how)
{
	struct sentence why = { "" };
	struct command_result result = { .status = how->si_status,
					 .output = buffer_string(&c->output),
					 .len = c->output.len,
					 .complaint = complaint(c),
					 .why = &why };

	if (how->si_code != CLD_EXITED)
		result.status += ENDED_BY_SIGNAL;
	if (result.status) {
		explain_end(how, &why);
		result.error = -ECHILD;
	}
	c->done(c->ctx, &result);
}

/* All that it printed is in the pipes now; children that hold them open are not waited for. */
static void on_end(struct watch *w, short revents)
{
	struct command *c = w->ctx;
	siginfo_t how;

	(void)revents;
	while (c->done && read_output(c))
		;
	while (c->done && read_errors(c))
		;
	if (buffer_error(&c->output) < 0) {
		refuse_size(c);
		return;
	}
	if (!reap(c, 0, &how))
		return;
	if (c->done)
		tell_end(c, &how);
	command_free(c);
}

static int command_new(struct loop *loop, const struct command_order *order, struct command **ret)
{
	struct command *c;

	c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->output = BUFFER_INIT(order->output_max);
	c->timeout_ms = order->timeout_ms;
	c->ended = (struct watch){ .fd = -1, .events = POLLIN, .ready = on_end, .ctx = c };
	c->out = (struct watch){ .fd = -1, .events = POLLIN, .ready = on_output, .ctx = c };
	c->err = (struct watch){ .fd = -1, .events = POLLIN, .ready = on_errors, .ctx = c };
	c->limit = (struct timer){ .due = on_limit, .ctx = c };
	*ret = c;
	return 0;
}

int command_start(struct loop *loop, const struct command_order *order, command_done *done,
		  void *ctx, struct sentence *why, struct command **ret)
{
	PROGRAM_AUTO program = { 0 };
	COMMAND_AUTO *c = NULL;
	int r;

	r = take_line(order, &program, why);
	if (r < 0)
		return r;
	set_environment(&program);
	r = find_path(&program);
	if (r == 0)
		r = command_new(loop, order, &c);
	if (r == 0) {
		c->done = done;
		c->ctx = ctx;
		r = start(c, &program);
	}
	if (r < 0) {
		sentence_set(why, "the command cannot be run: %s", strerror(-r));
		sentence_quote(why, program.words[0]);
		return r;
	}
	*ret = c;
	c = NULL;
	return 0;
}

void command_cancel(struct command *c)
{
	if (c)
		end_by_force(c);
}
