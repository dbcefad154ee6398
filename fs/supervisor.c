/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "announce.h"
#include "handover.h"
#include "log.h"
#include "mountpoint.h"
#include "ops.h"
#include "service.h"
#include "worker.h"

/* A worker that lived this long has nothing to do with the one before. */
#define LONG_LIFE_MS 10000

/* So many may end by themselves, one soon after the other, before the next one has to wait. */
#define FREE_DEATHS 3

/* The wait before the next worker, at first and at most: after those that served, and that did not. */
#define PAUSE_MS 10
#define SERVED_MAX_MS 1000
#define BACKOFF_MAX_MS 5000

/* As far as we may: root may, others stay as they are. */
#define PRIORITY (-10)

/* How long the worker of a new program may take until it serves. */
#define UPGRADE_LIMIT_MS 15000

struct supervisor {
	const struct supervisor_plan *plan;
	char program[PATH_MAX]; /* what is started on an upgrade */
	struct log *log;
	struct fuse_session *session; /* that mounted; NULL after an upgrade, when none is needed */
	struct handover handover;
	int signal_fd;
	pid_t worker, announcer;
	int64_t started_ms, next_ms; /* … and when the next one is to be */
	uint32_t answered_before; /* handover_page.answered at the last death */
	int deaths; /* in a row, of their own doing, none of them after a long life */
	bool ending, upgrading;
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

static void plan_worker(const struct supervisor *s, int ready_fd, struct worker_plan *ret)
{
	*ret = (struct worker_plan){ .config_path = s->plan->config_path,
				     .mountpoint = s->plan->mountpoint,
				     .foreground = s->plan->foreground,
				     .handover = &s->handover,
				     .ready_fd = ready_fd };
}

/* `program`: NULL for a worker of this program, which needs nothing of the disk. */
static int start_worker(struct supervisor *s, const char *program, int ready_fd)
{
	pid_t parent = getpid(), pid = fork();
	struct worker_plan plan;

	if (pid < 0)
		return -errno;
	if (!pid) {
		become_child(parent);
		close(s->signal_fd);
		plan_worker(s, ready_fd, &plan);
		if (program)
			_exit(worker_exec(program, &plan) ? WORKER_HOPELESS : 0);
		exit(worker_run(&plan));
	}
	s->worker = pid;
	s->started_ms = now_ms();
	return 0;
}

/* When its time has come. */
static void start_next(struct supervisor *s)
{
	if (s->worker || s->ending || now_ms() < s->next_ms)
		return;
	if (start_worker(s, NULL, -1))
		s->next_ms = now_ms() + BACKOFF_MAX_MS;
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
		_exit(announcer_run(&s->handover, s->plan->mountpoint) ? 1 : 0);
	}
	s->announcer = pid;
	return 0;
}

static void end_announcer(struct supervisor *s)
{
	if (!s->announcer)
		return;
	kill(s->announcer, SIGKILL);
	waitpid(s->announcer, NULL, 0);
	s->announcer = 0;
	s->handover.page->announcer = 0;
}

/* --- upgrade ----------------------------------------------------------------------------------- */

/* Becomes the supervisor of the program on disk. Returns only on failure. */
static void become_program(struct supervisor *s)
{
	char descriptors[64], worker[16];

	end_announcer(s);
	handover_write(&s->handover, descriptors);
	handover_keep(&s->handover, true);
	snprintf(worker, sizeof worker, "%d", (int)s->worker);
	execl(s->program, s->program, "--supervisor", descriptors, s->plan->mountpoint,
	      s->plan->config_path ? s->plan->config_path : "", s->plan->foreground ? "1" : "0",
	      worker, (char *)NULL);
	log_line(s->log, LOG_LEVEL_ERROR, "%s cannot be started as supervisor: %s", s->program,
		 strerror(errno));
	handover_keep(&s->handover, false);
	start_announcer(s);
}

/* The new worker's byte, or its end. */
static bool comes_to_serve(int ready_fd)
{
	struct pollfd ready = { .fd = ready_fd, .events = POLLIN };
	char byte;

	return poll(&ready, 1, UPGRADE_LIMIT_MS) == 1 && read(ready_fd, &byte, 1) == 1;
}

static bool start_new_worker(struct supervisor *s)
{
	int ready[2];
	bool serves;

	if (pipe2(ready, O_CLOEXEC))
		return false;
	if (start_worker(s, s->program, ready[1])) {
		close(ready[0]);
		close(ready[1]);
		return false;
	}
	close(ready[1]);
	serves = comes_to_serve(ready[0]);
	close(ready[0]);
	if (!serves) {
		kill(s->worker, SIGKILL);
		waitpid(s->worker, NULL, 0);
		s->worker = 0;
	}
	return serves;
}

/* The old worker has left what it did not answer: the new program's takes it up, or an old one again. */
static int finish_upgrade(struct supervisor *s)
{
	s->upgrading = false;
	if (!start_new_worker(s)) {
		log_line(s->log, LOG_LEVEL_ERROR,
			 "upgrade: %s does not come to serve; the version that ran goes on",
			 s->program);
		s->handover.page->failed_upgrades++;
		s->next_ms = 0;
		start_next(s);
		return 0;
	}
	become_program(s);
	s->handover.page->failed_upgrades++;
	return 0;
}

/* --- signals and deaths ------------------------------------------------------------------------ */

/*
 * How long the next worker waits. One that somebody else killed is not to blame: if it served, it is
 * followed at once, for readers wait for its successor. Those that end by themselves, one soon after
 * the other, wait longer and longer: each of them may have asked a server something.
 */
static int64_t backoff_ms(struct supervisor *s, int status)
{
	bool served = s->handover.page->answered != s->answered_before;
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	int64_t wait, most = served ? SERVED_MAX_MS : BACKOFF_MAX_MS;
	int doublings;

	s->answered_before = s->handover.page->answered;
	if (killed)
		return served ? 0 : PAUSE_MS;
	if (now_ms() - s->started_ms > LONG_LIFE_MS)
		s->deaths = 0;
	doublings = s->deaths++ - FREE_DEATHS;
	if (doublings < 0)
		return 0;
	wait = PAUSE_MS << (doublings < 10 ? doublings : 10);
	return wait < most ? wait : most;
}

static bool is_unmounted(const struct supervisor *s)
{
	struct pollfd fuse = { .fd = s->handover.fuse_fd };

	return poll(&fuse, 1, 0) == 1 && fuse.revents & POLLERR;
}

/* The worker is gone. false: so is the mount. */
static bool replace_worker(struct supervisor *s, int status)
{
	s->worker = 0;
	if (is_unmounted(s))
		return false;
	if (s->upgrading)
		return finish_upgrade(s) == 0;
	if (s->ending || (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_UNMOUNTED))
		return false;
	/* What never served has told why; what did serve may again: a disk may be full for a while. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_HOPELESS &&
	    !s->handover.page->answered)
		return false;
	if (WIFSIGNALED(status))
		log_line(s->log, LOG_LEVEL_WARNING, "the worker was ended by signal %d (%s): another one goes on",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_line(s->log, LOG_LEVEL_WARNING, "the worker ended with status %d: another one goes on",
			 WEXITSTATUS(status));
	s->next_ms = now_ms() + backoff_ms(s, status);
	start_next(s);
	return true;
}

/* false: the mount is over; ret_status is the exit status. */
static bool reap(struct supervisor *s, int *ret_status)
{
	int status;

	if (s->announcer && waitpid(s->announcer, &status, WNOHANG) == s->announcer) {
		s->announcer = 0;
		s->handover.page->announcer = 0;
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
	struct sentence why;

	s->ending = true;
	mountpoint_unmount(s->plan->mountpoint, true, &why);
	if (s->worker)
		kill(s->worker, SIGTERM);
}

static void upgrade(struct supervisor *s)
{
	if (!s->worker || s->upgrading || s->ending)
		return;
	s->upgrading = true;
	kill(s->worker, SIGUSR1);
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
	case SIGUSR2:
		upgrade(s);
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
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return s->signal_fd < 0 ? -errno : 0;
}

/* libfuse mounts; what is handed over is a descriptor of our own. */
static int mount_filesystem(struct supervisor *s)
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
		s->handover.fuse_fd = fcntl(fuse_session_fd(s->session), F_DUPFD_CLOEXEC, 3);
	if (!r && s->handover.fuse_fd < 0)
		r = -errno;
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

static int find_program(struct supervisor *s)
{
	ssize_t n = readlink("/proc/self/exe", s->program, sizeof s->program - 1);

	if (n < 0)
		return -errno;
	s->program[n] = 0;
	return 0;
}

static int begin(struct supervisor *s)
{
	int r = handover_create(&s->handover);

	if (!r)
		r = mount_filesystem(s);
	if (!r)
		service_keep(&s->handover);
	return r;
}

/* The mount of one that is gone; readers wait at it. */
static void go_on(struct supervisor *s)
{
	s->handover = *s->plan->taken;
	s->handover.page->announcer = 0;
	s->answered_before = s->handover.page->answered;
	log_line(s->log, LOG_LEVEL_NOTICE, "%s goes on: the service manager kept it",
		 s->plan->mountpoint);
}

static int start(struct supervisor *s)
{
	int r = find_program(s);

	/* Everybody who reads waits for the worker, most of all while another one starts. */
	setpriority(PRIO_PROCESS, 0, PRIORITY);
	if (!r && s->plan->taken)
		go_on(s);
	else if (!r)
		r = begin(s);
	if (!r)
		r = block_signals(s);
	if (!r)
		r = start_worker(s, NULL, s->plan->ready_fd);
	if (!r && !s->plan->foreground)
		r = leave_terminal(s);
	return r ? r : start_announcer(s);
}

static void finish(struct supervisor *s)
{
	struct sentence why;

	end_announcer(s);
	service_forget();
	if (s->session) {
		fuse_session_unmount(s->session);
		fuse_session_destroy(s->session);
	} else if (mountpoint_is_ours(s->plan->mountpoint)) {
		mountpoint_unmount(s->plan->mountpoint, true, &why);
	}
	handover_close(&s->handover);
	log_free(s->log);
}

static int serve(struct supervisor *s)
{
	struct pollfd signals = { .fd = s->signal_fd, .events = POLLIN };
	int status = 1;

	prctl(PR_SET_NAME, "tokenfs-superv");
	while (s->worker || !s->ending) {
		int64_t wait = s->next_ms - now_ms();

		if (s->worker)
			wait = -1;
		else if (wait < 0)
			wait = 0;
		if (poll(&signals, 1, (int)wait) > 0 && !on_signal(s, &status))
			return status;
		start_next(s);
	}
	return 0;
}

int supervisor_run(const struct supervisor_plan *plan)
{
	struct supervisor s = { .plan = plan, .signal_fd = -1 };
	int status = 1, r = log_new(&s.log);

	if (!r)
		r = start(&s);
	if (r && s.log)
		log_line(s.log, LOG_LEVEL_ERROR, "%s cannot be mounted: %s", plan->mountpoint,
			 strerror(-r));
	if (!r)
		status = serve(&s);
	finish(&s);
	return status;
}

/* tokenfs --supervisor HANDOVER MOUNTPOINT CONFIG FOREGROUND WORKER */
int supervisor_main(int argc, char **argv)
{
	struct supervisor_plan plan = { .ready_fd = -1 };
	struct supervisor s = { .plan = &plan, .signal_fd = -1 };
	int status = 1, r;

	if (argc != 7 || log_new(&s.log))
		return 1;
	plan.mountpoint = argv[3];
	plan.config_path = argv[4][0] ? argv[4] : NULL;
	plan.foreground = argv[5][0] == '1';
	s.worker = (pid_t)strtol(argv[6], NULL, 10);
	s.started_ms = now_ms();
	if (!plan.foreground)
		log_to_syslog(s.log);
	r = find_program(&s);
	if (!r)
		r = handover_read(argv[2], &s.handover);
	if (!r)
		r = block_signals(&s);
	if (!r)
		r = start_announcer(&s);
	if (r) {
		log_line(s.log, LOG_LEVEL_ERROR, "the supervisor cannot go on: %s", strerror(-r));
	} else {
		s.handover.page->upgrades++;
		log_line(s.log, LOG_LEVEL_NOTICE, "upgraded: %s serves", s.program);
		status = serve(&s);
	}
	finish(&s);
	return status;
}
