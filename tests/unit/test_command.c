/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "buffer.h"
#include "command.h"

struct run {
	struct loop *loop;
	int calls, error, status;
	char *output; /* one byte more than LIMIT_SECRET, and a NUL */
	size_t len;
	char complaint[LIMIT_SENTENCE];
	struct sentence why;
};

static void set_up(struct run *run)
{
	memset(run, 0, sizeof *run);
	run->output = calloc(1, LIMIT_SECRET + 2);
	assert_non_null(run->output);
	assert_int_equal(loop_create(&run->loop), 0);
}

/* Every test ends here: no child may be left. */
static void tear_down(struct run *run)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_null(loop_destroy(run->loop));
	free(run->output);
}

static void note_done(void *ctx, const struct command_result *result)
{
	struct run *run = ctx;

	run->calls++;
	run->error = result->error;
	run->status = result->status;
	run->len = result->len;
	assert_in_range(result->len, 0, LIMIT_SECRET);
	memcpy(run->output, result->output, result->len);
	run->output[result->len] = '\0';
	assert_int_equal(result->output[result->len], '\0');
	snprintf(run->complaint, sizeof run->complaint, "%s", result->complaint);
	run->why = *result->why;
	sentence_quote(&run->why, result->complaint);
	loop_stop(run->loop);
}

static int start_line(struct run *run, const char *line, int64_t timeout_ms, struct command **ret)
{
	const struct command_order order = { .line = line,
					     .output_max = LIMIT_SECRET,
					     .timeout_ms = timeout_ms };

	return command_start(run->loop, &order, note_done, run, &run->why, ret);
}

static void run_order(struct run *run, const struct command_order *order)
{
	struct command *c = NULL;

	run->calls = 0;
	assert_int_equal(command_start(run->loop, order, note_done, run, &run->why, &c), 0);
	assert_int_equal(run->calls, 0);
	assert_int_equal(loop_run(run->loop), 0);
	assert_int_equal(run->calls, 1);
}

static void run_line(struct run *run, const char *line, int64_t timeout_ms)
{
	run_order(run, &(struct command_order){ .line = line,
						.output_max = LIMIT_SECRET,
						.timeout_ms = timeout_ms });
}

static void run_shell(struct run *run, const char *line)
{
	run_order(run, &(struct command_order){
			       .line = line, .shell = true, .output_max = 100, .timeout_ms = 5000 });
}

static int refuse_line(struct run *run, const char *line)
{
	struct command *c = NULL;
	int r;

	r = start_line(run, line, 1000, &c);
	assert_null(c);
	assert_true(strlen(run->why.text) > 0);
	return r;
}

static void what_the_program_prints_is_the_secret(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	run_line(&run, "printf geheim", 5000);
	assert_int_equal(run.error, 0);
	assert_string_equal(run.output, "geheim");
	run_line(&run, "true", 5000);
	assert_int_equal(run.error, 0);
	assert_int_equal(run.len, 0);
	tear_down(&run);
}

static void words_are_split_at_spaces_and_kept_whole_in_quotes(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	run_line(&run, "  printf\t'<%s>'  one 't w o' \"it's\" a'b'\"c\" '' $HOME *  ", 5000);
	assert_int_equal(run.error, 0);
	assert_string_equal(run.output, "<one><t w o><it's><abc><><$HOME><*>");
	tear_down(&run);
}

static void a_line_that_means_nothing_is_refused(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	assert_int_equal(refuse_line(&run, ""), -EINVAL);
	assert_int_equal(refuse_line(&run, " \t "), -EINVAL);
	assert_int_equal(refuse_line(&run, "echo 'half"), -EINVAL);
	assert_int_equal(refuse_line(&run, "echo \"half'"), -EINVAL);
	tear_down(&run);
}

static void a_program_that_is_not_there_is_named(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	assert_int_equal(refuse_line(&run, "no-such-program-here -x"), -ENOENT);
	assert_non_null(strstr(run.why.text, "no-such-program-here"));
	assert_int_equal(refuse_line(&run, "/nowhere/at/all"), -ENOENT);
	assert_non_null(strstr(run.why.text, "/nowhere/at/all"));
	assert_int_equal(refuse_line(&run, "/dev/null"), -EACCES);
	tear_down(&run);
}

static void only_path_home_and_lang_are_in_its_environment(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	assert_int_equal(setenv("TOKENFS_TEST_SECRET", "hunter2", 1), 0);
	assert_int_equal(setenv("LANG", "C.UTF-8", 1), 0);
	assert_int_equal(setenv("HOME", "/home/of/somebody", 1), 0);
	assert_int_equal(setenv("PATH", "/usr/bin:/bin", 1), 0);
	run_line(&run, "env", 5000);
	assert_string_equal(run.output,
			    "PATH=/usr/bin:/bin\nHOME=/home/of/somebody\nLANG=C.UTF-8\n");
	tear_down(&run);
}

static void it_works_without_any_environment(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	assert_int_equal(unsetenv("PATH"), 0);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(unsetenv("LANG"), 0);
	run_line(&run, "env", 5000);
	assert_int_equal(run.error, 0);
	assert_string_equal(run.output, "PATH=/usr/local/bin:/usr/bin:/bin\n");
	assert_int_equal(setenv("PATH", "/usr/bin:/bin", 1), 0);
	tear_down(&run);
}

static void it_inherits_no_descriptor_no_terminal_and_no_signal_mask(void **state)
{
	struct run run;
	sigset_t all, was;
	int secret;

	(void)state;
	set_up(&run);
	secret = open("/dev/zero", O_RDONLY);
	assert_true(secret > 2);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &was);
	signal(SIGPIPE, SIG_IGN);
	run_line(&run, "sh -c 'for i in $(seq 3 99); do [ -h /proc/$$/fd/$i ] && echo open; done; "
		       "readlink /proc/$$/fd/0; cut -d\" \" -f7 /proc/$$/stat; "
		       "grep -E \"^Sig(Blk|Ign)\" /proc/self/status'", 5000);
	sigprocmask(SIG_SETMASK, &was, NULL);
	signal(SIGPIPE, SIG_DFL);
	close(secret);
	assert_int_equal(run.error, 0);
	/* 0 of field 7: no terminal */
	assert_string_equal(run.output, "/dev/null\n0\n"
					"SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	tear_down(&run);
}

static void it_works_when_standard_input_and_output_are_closed(void **state)
{
	struct run run;
	struct command *c = NULL;
	int i, was[3], started, ran = -1;

	(void)state;
	set_up(&run);
	for (i = 0; i < 3; i++) {
		was[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		close(i);
	}
	started = start_line(&run, "sh -c 'echo word; echo oops >&2; exit 1'", 5000, &c);
	if (!started)
		ran = loop_run(run.loop);
	for (i = 0; i < 3; i++) {
		dup2(was[i], i);
		close(was[i]);
	}
	assert_int_equal(started, 0);
	assert_int_equal(ran, 0);
	assert_int_equal(run.error, -ECHILD);
	assert_non_null(strstr(run.why.text, "oops"));
	tear_down(&run);
}

static void a_failure_tells_status_and_the_first_line_of_standard_error(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	run_line(&run, "sh -c 'echo half; echo >&2; echo \"vault is \033[1msealed\" >&2; "
		       "echo more >&2; exit 3'", 5000);
	assert_int_equal(run.error, -ECHILD);
	assert_int_equal(run.status, 3);
	assert_string_equal(run.output, "half\n");
	assert_non_null(strstr(run.why.text, "status 3"));
	assert_non_null(strstr(run.why.text, "vault is"));
	assert_null(strchr(run.why.text, '\033'));
	assert_null(strstr(run.why.text, "half"));
	assert_null(strstr(run.why.text, "more"));
	run_line(&run, "sh -c 'kill -TERM $$'", 5000);
	assert_int_equal(run.error, -ECHILD);
	assert_int_equal(run.status, 128 + 15);
	assert_non_null(strstr(run.why.text, "signal 15"));
	run_line(&run, "sh -c 'kill -SEGV $$'", 5000);
	assert_int_equal(run.status, 128 + 11);
	tear_down(&run);
}

static void what_was_printed_is_not_told_by_way_of_standard_error(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	run_line(&run, "sh -c 'echo half-of-a-secret; echo cannot send a-secret >&2; exit 1'", 5000);
	assert_string_equal(run.complaint, "");
	assert_null(strstr(run.why.text, "secret"));
	assert_non_null(strstr(run.why.text, "status 1"));
	/* a tab is shown as a space */
	run_line(&run, "sh -c 'printf \"se cr et s\\n\"; printf \"se\\tcr\\tet s\" >&2; exit 1'",
		 5000);
	assert_string_equal(run.complaint, "");
	run_line(&run, "sh -c 'echo 1234567; echo no 1234567 >&2; exit 1'", 5000);
	assert_string_equal(run.complaint, "");
	run_line(&run, "sh -c 'echo 12345678; echo no 1234567 >&2; exit 1'", 5000);
	assert_string_equal(run.complaint, "no 1234567");
	run_line(&run, "sh -c 'echo some-secret; echo some-secret >&2; exec sleep 60'", 300);
	assert_int_equal(run.error, -ETIMEDOUT);
	assert_null(strstr(run.why.text, "secret"));
	tear_down(&run);
}

static void a_shell_only_runs_it_when_it_is_asked_for(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	run_line(&run, "echo $(id) ; `id` | cat > /nowhere/at/all", 5000);
	assert_string_equal(run.output, "$(id) ; `id` | cat > /nowhere/at/all\n");
	run_shell(&run, "x='a b'; echo \"$x\" | tr a-z A-Z");
	assert_int_equal(run.error, 0);
	assert_string_equal(run.output, "A B\n");
	run_shell(&run, "no-such-program-here");
	assert_int_equal(run.error, -ECHILD);
	assert_int_equal(run.status, 127);
	run_shell(&run, "head -c 101 /dev/zero");
	assert_int_equal(run.error, -EFBIG);
	assert_non_null(strstr(run.why.text, "100 bytes"));
	tear_down(&run);
}

static void much_on_standard_error_harms_nobody(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	run_line(&run, "sh -c 'head -c 1000000 /dev/zero >&2; printf fine'", 5000);
	assert_int_equal(run.error, 0);
	assert_string_equal(run.output, "fine");
	tear_down(&run);
}

static void the_largest_secret_passes_and_one_byte_more_does_not(void **state)
{
	struct run run;

	(void)state;
	set_up(&run);
	run_line(&run, "head -c 65536 /dev/zero", 5000);
	assert_int_equal(run.error, 0);
	assert_int_equal(run.len, LIMIT_SECRET);
	run_line(&run, "head -c 65537 /dev/zero", 5000);
	assert_int_equal(run.error, -EFBIG);
	assert_int_equal(run.len, 0);
	run_line(&run, "cat /dev/zero", 5000);
	assert_int_equal(run.error, -EFBIG);
	tear_down(&run);
}

/* Reads the end of a pipe that some process still holds, or not; -1: it is held. */
static ssize_t read_end(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, timeout_ms) > 0 ? read(fd, &byte, 1) : -1;
}

static void at_the_limit_it_is_killed_with_its_children(void **state)
{
	char path[] = "/tmp/tokenfs-test-XXXXXX";
	char line[256];
	struct run run;
	int64_t before;
	int fifo;

	(void)state;
	set_up(&run);
	assert_non_null(mkdtemp(path));
	snprintf(line, sizeof line, "%s/alive", path);
	assert_int_equal(mkfifo(line, 0600), 0);
	fifo = open(line, O_RDONLY | O_NONBLOCK);
	assert_true(fifo >= 0);

	snprintf(line, sizeof line, "sh -c 'exec 3>%s/alive; trap \"\" TERM; echo x >&3; "
		 "echo sealed >&2; sleep 60 & sleep 60'", path);
	before = loop_now(run.loop);
	run_line(&run, line, 1000);
	assert_int_equal(run.error, -ETIMEDOUT);
	assert_non_null(strstr(run.why.text, "sealed"));
	assert_in_range(loop_now(run.loop) - before, 1000, 5000);
	assert_int_equal(read_end(fifo, 5000), 1);
	assert_int_equal(read_end(fifo, 5000), 1);
	assert_int_equal(read_end(fifo, 5000), 0);

	close(fifo);
	snprintf(line, sizeof line, "%s/alive", path);
	unlink(line);
	rmdir(path);
	tear_down(&run);
}

static void a_child_that_keeps_the_output_open_is_not_waited_for(void **state)
{
	struct run run;
	int64_t before;

	(void)state;
	set_up(&run);
	before = loop_now(run.loop);
	run_line(&run, "sh -c 'sleep 5 & printf quick'", 4000);
	assert_int_equal(run.error, 0);
	assert_string_equal(run.output, "quick");
	assert_in_range(loop_now(run.loop) - before, 0, 3500);
	tear_down(&run);
}

static void stop_due(struct timer *t)
{
	loop_stop(t->ctx);
}

static void a_cancelled_command_is_killed_and_silent(void **state)
{
	struct run run;
	struct timer end = { .due = stop_due };
	struct command *c = NULL;

	(void)state;
	set_up(&run);
	assert_int_equal(start_line(&run, "sleep 60", 5000, &c), 0);
	command_cancel(c);
	command_cancel(NULL);
	end.ctx = run.loop;
	assert_int_equal(timer_start(run.loop, &end, loop_now(run.loop) + 50), 0);
	assert_int_equal(loop_run(run.loop), 0);
	assert_int_equal(run.calls, 0);
	tear_down(&run);
}

/* Starts a command, waits until it runs (`ready` can be read), and does not live to see its end. */
static void die_beside_a_command(const char *line, int ready)
{
	struct pollfd begun = { .fd = ready, .events = POLLIN };
	struct command *c = NULL;
	struct run run;

	set_up(&run);
	if (start_line(&run, line, 60000, &c) == 0 && poll(&begun, 1, 5000) == 1)
		kill(getpid(), SIGKILL);
	_exit(1);
}

static void it_ends_with_its_children_when_the_worker_is_killed(void **state)
{
	int status, pipes[2];
	char line[128];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	/* close-on-exec is for descriptors of ours: this one goes by way of /proc */
	snprintf(line, sizeof line, "sh -c 'exec 3>/proc/%d/fd/%d; echo x >&3; sleep 60 & sleep 60'",
		 (int)getpid(), pipes[1]);
	pid = fork();
	if (!pid)
		die_beside_a_command(line, pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	close(pipes[1]);
	assert_int_equal(read_end(pipes[0], 5000), 1);
	assert_int_equal(read_end(pipes[0], 5000), 1);
	assert_int_equal(read_end(pipes[0], 5000), 0);
	close(pipes[0]);
}

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void no_descriptor_is_lost(void **state)
{
	struct run run;
	size_t before;

	(void)state;
	set_up(&run);
	before = count_fds();
	run_line(&run, "true", 5000);
	run_line(&run, "false", 5000);
	run_line(&run, "sleep 60", 10);
	run_line(&run, "cat /dev/zero", 5000);
	assert_int_equal(refuse_line(&run, "/nowhere/at/all"), -ENOENT);
	assert_int_equal(count_fds(), before);
	tear_down(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_program_prints_is_the_secret),
		cmocka_unit_test(words_are_split_at_spaces_and_kept_whole_in_quotes),
		cmocka_unit_test(a_line_that_means_nothing_is_refused),
		cmocka_unit_test(a_program_that_is_not_there_is_named),
		cmocka_unit_test(only_path_home_and_lang_are_in_its_environment),
		cmocka_unit_test(it_works_without_any_environment),
		cmocka_unit_test(it_inherits_no_descriptor_no_terminal_and_no_signal_mask),
		cmocka_unit_test(it_works_when_standard_input_and_output_are_closed),
		cmocka_unit_test(a_failure_tells_status_and_the_first_line_of_standard_error),
		cmocka_unit_test(much_on_standard_error_harms_nobody),
		cmocka_unit_test(the_largest_secret_passes_and_one_byte_more_does_not),
		cmocka_unit_test(at_the_limit_it_is_killed_with_its_children),
		cmocka_unit_test(a_child_that_keeps_the_output_open_is_not_waited_for),
		cmocka_unit_test(a_cancelled_command_is_killed_and_silent),
		cmocka_unit_test(what_was_printed_is_not_told_by_way_of_standard_error),
		cmocka_unit_test(a_shell_only_runs_it_when_it_is_asked_for),
		cmocka_unit_test(it_ends_with_its_children_when_the_worker_is_killed),
		cmocka_unit_test(no_descriptor_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
