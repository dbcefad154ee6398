/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "announce.h"
#include "log.h"
#include "ops.h"
#include "requests.h"
#include "worker.h"

/* A worker that lived this long has nothing to do with the one before. */
#define LONG_LIFE_MS 10000
#define BACKOFF_MAX_MS 5000

struct supervisor {
	const struct supervisor_plan *plan;
	struct log *log;
	struct fuse_session *session;
	int fuse_fd, memory_fd, signal_fd;
	struct announcer_link link;
	pid_t worker, announcer;
	int64_t started_ms;
	int deaths; /* in a row, none of them after a long life */
	bool ending;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A child goes when its supervisor goes, whatever ends it. */
static void become_child(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static int start_worker(struct supervisor *s)
{
	const struct worker_plan plan = { .config_path = s->plan->config_path,
					  .mountpoint = s->plan->mountpoint,
					  .foreground = s->plan->foreground,
					  .fuse_fd = s->fuse_fd,
					  .memory_fd = s->memory_fd,
					  .announcer = &s->link,
					  .ready_fd = s->plan->ready_fd };
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		become_child(parent);
		close(s->signal_fd);
		exit(worker_run(&plan));
	}
	s->worker = pid;
	s->started_ms = now_ms();
	return 0;
}

static int start_announcer(struct supervisor *s)
{
	pid_t parent = getpid(), pid = fork();
	sigset_t none;

	if (pid < 0)
		return -errno;
	if (!pid) {
		become_child(parent);
		prctl(PR_SET_NAME, "tokenfs-announc");
		close(s->signal_fd);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGINT, SIG_IGN);
		_exit(announcer_run(&s->link, s->plan->mountpoint, s->fuse_fd) ? 1 : 0);
	}
	s->announcer = pid;
	return 0;
}

/* How long the next worker waits: the first death costs nothing, a row of them more and more. */
static int64_t backoff_ms(struct supervisor *s)
{
	int64_t wait;

	if (now_ms() - s->started_ms > LONG_LIFE_MS)
		s->deaths = 0;
	if (s->deaths++ < 2)
		return 0;
	wait = 50 << (s->deaths < 8 ? s->deaths : 8);
	return wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
}

static void wait_before_next(struct supervisor *s)
{
	int64_t wait = backoff_ms(s);
	struct pollfd signals = { .fd = s->signal_fd, .events = POLLIN };

	/* A signal ends the wait: to unmount comes first. */
	if (wait)
		poll(&signals, 1, (int)wait);
}

/* The worker is gone. false: so is the mount. */
static bool replace_worker(struct supervisor *s, int status)
{
	s->worker = 0;
	if (s->ending || (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_UNMOUNTED))
		return false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_HOPELESS)
		return false;
	if (WIFSIGNALED(status))
		log_line(s->log, LOG_LEVEL_WARNING, "the worker was ended by signal %d (%s): another one goes on",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_line(s->log, LOG_LEVEL_WARNING, "the worker ended with status %d: another one goes on",
			 WEXITSTATUS(status));
	wait_before_next(s);
	return start_worker(s) == 0;
}

/* false: the mount is over; ret_status is the exit status. */
static bool reap(struct supervisor *s, int *ret_status)
{
	int status;

	if (s->announcer && waitpid(s->announcer, &status, WNOHANG) == s->announcer) {
		s->announcer = 0;
		/* Without it nobody is told of rotations, and opens are right all the same. */
		if (!s->ending && WIFSIGNALED(status))
			start_announcer(s);
	}
	if (!s->worker || waitpid(s->worker, &status, WNOHANG) != s->worker)
		return true;
	*ret_status = WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : 1;
	if (s->ending)
		*ret_status = 0;
	return replace_worker(s, status);
}

static void unmount(struct supervisor *s)
{
	s->ending = true;
	fuse_session_unmount(s->session);
	if (s->worker)
		kill(s->worker, SIGTERM);
}

/* false: the mount is over. */
static bool on_signal(struct supervisor *s, int *ret_status)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof info) != sizeof info)
		return true;
	switch (info.ssi_signo) {
	case SIGCHLD:
		return reap(s, ret_status);
	case SIGHUP:
		if (s->worker)
			kill(s->worker, SIGHUP);
		return true;
	default:
		unmount(s);
		return true;
	}
}

static int block_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_SETMASK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return s->signal_fd < 0 ? -errno : 0;
}

static int mount_session(struct supervisor *s)
{
	static const struct fuse_lowlevel_ops none;
	char *argv[] = { (char[]){ "tokenfs" }, (char[]){ "-o" }, NULL, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	int r = 0;

	argv[2] = strdup(s->plan->options);
	if (!argv[2])
		return -ENOMEM;
	s->session = fuse_session_new(&args, &none, sizeof none, NULL);
	if (!s->session)
		r = -EINVAL;
	else if (fuse_session_mount(s->session, s->plan->mountpoint))
		r = -EIO;
	else
		s->fuse_fd = fuse_session_fd(s->session);
	fuse_opt_free_args(&args);
	free(argv[2]);
	return r;
}

/* The terminal is the worker's until the mount answers; whoever reads our output is not held up. */
static int leave_terminal(struct supervisor *s)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	log_to_syslog(s->log);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	return 0;
}

static int start(struct supervisor *s)
{
	int r = log_new(&s->log);

	if (!r)
		r = requests_create(&s->memory_fd);
	if (!r)
		r = announcer_link_create(&s->link);
	if (!r)
		r = mount_session(s);
	if (!r)
		r = block_signals(s);
	if (!r)
		r = start_worker(s);
	if (!r && !s->plan->foreground)
		r = leave_terminal(s);
	return r ? r : start_announcer(s);
}

static void finish(struct supervisor *s)
{
	if (s->announcer) {
		kill(s->announcer, SIGKILL);
		waitpid(s->announcer, NULL, 0);
	}
	if (s->session) {
		fuse_session_unmount(s->session);
		fuse_session_destroy(s->session);
	}
	log_free(s->log);
}

int supervisor_run(const struct supervisor_plan *plan)
{
	struct supervisor s = { .plan = plan, .fuse_fd = -1, .memory_fd = -1, .signal_fd = -1 };
	int status = 1, r = start(&s);

	if (r && s.log)
		log_line(s.log, LOG_LEVEL_ERROR, "%s cannot be mounted: %s", plan->mountpoint,
			 strerror(-r));
	prctl(PR_SET_NAME, "tokenfs-superv");
	while (!r && on_signal(&s, &status))
		;
	finish(&s);
	return r ? 1 : status;
}
