/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define SHELL	     "/bin/sh"

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
#define FD_AUTO __attribute__((cleanup(fd_close))) int

void program_finish(struct program *p)
{
	free(p->path);
	free(p->text);
	free(p->words);
}

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

static int take_shell(const char *line, struct program *p, struct sentence *why)
{
	static char shell[] = SHELL, option[] = "-c";

	p->text = strdup(line);
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

void program_refuse(const struct program *p, int error, struct sentence *why)
{
	sentence_set(why, "the command cannot be run: %s", strerror(-error));
	sentence_quote(why, p->words[0]);
}

int program_prepare(struct program *p, const char *line, bool shell, struct sentence *why)
{
	int r = shell ? take_shell(line, p, why) : split(line, p, why);

	if (r < 0)
		return r;
	set_environment(p);
	r = find_path(p);
	if (r < 0)
		program_refuse(p, r, why);
	return r;
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

/* The worker. */

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

int program_spawn(const struct program *p, int in, int out, int err, pid_t *ret)
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
