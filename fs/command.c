/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "command.h"
#include "program.h"

#define CHUNK 4096

/* So many bytes in a row of what it printed give it away. */
#define PIECE_OF_OUTPUT 8u

/* As shells tell it. */
#define ENDED_BY_SIGNAL 128

/* A killed program is gone within this, or it is waited for by the loop; which may be about to end. */
#define REAP_MS	       10
#define REAP_CANCEL_MS 500

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

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
#define FD_AUTO __attribute__((cleanup(fd_close))) int

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

/* Starting. */

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
	r = program_spawn(p, in, out, err, &c->pid);
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
static void end_by_force(struct command *c, int timeout_ms)
{
	siginfo_t how;

	kill(-c->pid, SIGKILL);
	if (reap(c, timeout_ms, &how)) {
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
	end_by_force(c, REAP_MS);
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

	r = program_prepare(&program, order->line, order->shell, why);
	if (r < 0)
		return r;
	r = command_new(loop, order, &c);
	if (r == 0) {
		c->done = done;
		c->ctx = ctx;
		r = start(c, &program);
	}
	if (r < 0) {
		program_refuse(&program, r, why);
		return r;
	}
	*ret = c;
	c = NULL;
	return 0;
}

void command_cancel(struct command *c)
{
	if (c)
		end_by_force(c, REAP_CANCEL_MS);
}
