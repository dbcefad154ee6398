/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <sodium.h>

#include "config.h"
#include "engine.h"
#include "http.h"
#include "inode.h"
#include "log.h"
#include "mount.h"
#include "requests.h"
#include "service.h"
#include "snapshot.h"
#include "store.h"
#include "tree.h"

/* How long an upgrade waits for what is on the wire, and how often it looks. */
#define DRAIN_LIMIT_MS 10000
#define DRAIN_STEP_MS 5

/* … and an end, which has nobody to go on. */
#define DRAIN_END_MS 2000

/* Long enough for a reader on another core to come back, too short to be seen as load. */
#define SPIN_US 20

struct worker {
	const struct worker_plan *plan;
	struct engine engine;
	struct tree *tree;
	struct requests *requests;
	struct mount *mount;
	struct watch signals;
	struct timer drain;
	int64_t drain_until;
	int status;
	bool ready;
};

/* --- secrets stay in memory -------------------------------------------------------------------- */

/* Contract 5: no core dump, no swap, no other process that looks in. */
static void close_memory(struct log *log)
{
	struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	/* One arena, and free pages go back: a worker runs for months. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 64 << 10);
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		log_line(log, LOG_LEVEL_NOTICE,
			 "memory cannot be locked, secrets may reach the swap: %s; raise RLIMIT_MEMLOCK "
			 "to unlimited, or encrypt the swap",
			 strerror(errno));
}

/* --- events ------------------------------------------------------------------------------------ */

/* The files of one generation, and the directories that they are in. */
static const struct {
	enum facet facet;
	enum directory_file directory;
} files[] = { { FACET_VALUE, DIRECTORY_SELF },
	      { FACET_HEADERS, DIRECTORY_HEADERS },
	      { FACET_ENV, DIRECTORY_ENV } };

static void announce_files(const struct worker *w, enum announcement_kind kind,
			   const struct slot *s, uint32_t generation)
{
	struct announcement a = { .kind = kind };

	snprintf(a.name, sizeof a.name, "%s", s->name);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		a.parent_ino = inode_number(FACET_DIRECTORY, s->directory->id, files[i].directory);
		a.old_ino = inode_number(files[i].facet, s->id, generation);
		announce(w->plan->handover, &a);
	}
}

static void on_followed(void *ctx, struct slot *s, uint32_t old)
{
	announce_files(ctx, ANNOUNCE_FOLLOWS, s, old);
}

static void on_changed(void *ctx, struct slot *s, uint32_t generation)
{
	announce_files(ctx, ANNOUNCE_CHANGED, s, generation);
}

static void on_rotated(void *ctx, struct slot *s, uint32_t old)
{
	struct worker *w = ctx;
	struct announcement a = {
		.kind = ANNOUNCE_ROTATED,
		.parent_ino = inode_number(FACET_DIRECTORY, s->directory->id, DIRECTORY_SELF),
		.old_ino = inode_number(FACET_VALUE, s->id, old),
		.new_ino = inode_number(FACET_VALUE, s->id, s->generation),
	};

	if (!slot_alive(s) || !slot_is_visible(s)) {
		announce_files(w, ANNOUNCE_REVOKED, s, old);
		return;
	}
	snprintf(a.directory, sizeof a.directory, "%s", s->directory->name);
	snprintf(a.name, sizeof a.name, "%s", s->name);
	announce(w->plan->handover, &a);
}

static void on_listed(void *ctx, struct directory *d)
{
	struct worker *w = ctx;
	struct announcement a = { .kind = ANNOUNCE_CHANGED };

	a.old_ino = inode_number(FACET_DIRECTORY, d->id, DIRECTORY_SELF);
	announce(w->plan->handover, &a);
}

static void on_reshaped(void *ctx, struct directory *d)
{
	struct worker *w = ctx;
	struct announcement a = { .kind = ANNOUNCE_RESHAPED, .parent_ino = ROOT_DIRECTORY };

	snprintf(a.directory, sizeof a.directory, "%s", d->name);
	announce(w->plan->handover, &a);
}

static void on_answers(void *ctx)
{
	struct worker *w = ctx;
	int null;

	if (w->ready)
		return;
	w->ready = true;
	w->plan->handover->page->answered++;
	log_line(w->engine.log, LOG_LEVEL_NOTICE, "%s is mounted", w->plan->mountpoint);
	service_ready();
	if (w->plan->ready_fd >= 0) {
		ssize_t n = write(w->plan->ready_fd, "R", 1);

		(void)n;
	}
	if (w->plan->foreground)
		return;
	/* The terminal is given back; the journal gets the rest. */
	log_to_syslog(w->engine.log);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
}

/* What is on the wire may be a refresh token's only answer: it is waited for, within a limit. */
static void on_drain(struct timer *t)
{
	struct worker *w = t->ctx;
	int64_t now = loop_now(w->engine.loop);

	if (now < w->drain_until && tree_is_asking(w->tree) &&
	    !timer_start(w->engine.loop, t, now + DRAIN_STEP_MS))
		return;
	loop_stop(w->engine.loop);
}

static void drain(struct worker *w, int status, int64_t limit_ms)
{
	if (w->drain_until)
		return;
	w->status = status;
	w->drain_until = loop_now(w->engine.loop) + limit_ms;
	on_drain(&w->drain);
}

static void on_ended(void *ctx)
{
	drain(ctx, WORKER_UNMOUNTED, DRAIN_END_MS);
}

/* Every line of it into the log; the first into the sentence. */
static void tell_mistakes(struct log *log, enum log_level level, const char *lines,
			  struct sentence *why)
{
	size_t len;

	for (const char *line = lines; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		log_line(log, level, "%.*s", (int)len, line);
		if (line == lines)
			sentence_set(why, "%.*s", (int)len, line);
	}
}

static void keep_snapshot(const struct worker *w, const struct config *config)
{
	int r = snapshot_write(w->plan->handover->config_fd, config);

	if (r)
		log_line(w->engine.log, LOG_LEVEL_WARNING,
			 "the configuration in force cannot be kept for the next worker: %s",
			 strerror(-r));
}

static int load_config(struct worker *w, const char *path, struct sentence *why,
		       struct config **ret)
{
	BUFFER_AUTO mistakes = BUFFER_INIT(LIMIT_RENDER);
	int r = config_load(path, w->plan->mountpoint, &mistakes, ret);

	tell_mistakes(w->engine.log, r ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
		      buffer_string(&mistakes), why);
	return r;
}

static int reload(void *ctx, struct sentence *why)
{
	struct worker *w = ctx;
	struct config *config;
	int r = load_config(w, w->plan->config_path, why, &config);

	if (r)
		return r == -ENOMEM ? r : -EINVAL;
	keep_snapshot(w, config);
	r = tree_configure(w->tree, config);
	if (r == -ENOMEM)
		return r;
	if (r)
		sentence_set(why, "it is in force, but could not be stored, and a restart may not know "
				  "its new names: %s",
			     strerror(-r));
	w->mount->audit = settings_yes(w->tree->edition->config->mount, "audit");
	tree_reopen(w->tree);
	tree_prefetch(w->tree);
	log_line(w->engine.log, LOG_LEVEL_NOTICE, "the configuration is loaded anew");
	return r;
}

static int upgrade(void *ctx, struct sentence *why)
{
	(void)ctx;
	if (!kill(getppid(), SIGUSR2))
		return 0;
	sentence_set(why, "the supervisor cannot be reached: %s", strerror(errno));
	return -errno;
}


static void on_signal(struct watch *watch, short revents)
{
	struct worker *w = watch->ctx;
	struct signalfd_siginfo info;
	struct sentence why;

	(void)revents;
	if (read(watch->fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGHUP) {
		reload(w, &why);
	} else if (info.ssi_signo == SIGUSR1) {
		mount_pause(w->mount);
		drain(w, WORKER_HANDED_OVER, DRAIN_LIMIT_MS);
	} else {
		drain(w, WORKER_UNMOUNTED, DRAIN_END_MS);
	}
}

static int watch_signals(struct worker *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* Ctrl-C is the supervisor's: it unmounts */
	w->signals = (struct watch){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
				     .events = POLLIN,
				     .ready = on_signal,
				     .ctx = w };
	if (w->signals.fd < 0)
		return -errno;
	loop_watch(w->engine.loop, &w->signals);
	return 0;
}

/* --- from nothing to a mount ------------------------------------------------------------------- */

static int read_boot_id(char id[static 40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, id, 36);
	close(fd);
	if (n != 36)
		return -EIO;
	id[36] = 0;
	return 0;
}

static int open_tree(struct worker *w, struct config *config, struct sentence *why)
{
	const struct tree_events events = { on_rotated, on_followed, on_changed, on_listed, on_reshaped,
					   w };
	BUFFER_AUTO dir = BUFFER_INIT(LIMIT_RENDER);
	char boot_id[40] = "";
	int r;

	config_state_dir(config, &dir);
	r = store_open(buffer_string(&dir), why, &w->engine.store);
	if (!r)
		r = read_boot_id(boot_id);
	if (!r)
		r = tree_create(&w->engine, &events, boot_id, why, &w->tree);
	if (r) {
		config_free(config);
		return r;
	}
	return tree_configure(w->tree, config);
}

static int open_mount(struct worker *w)
{
	const struct mount_hooks hooks = {
		.answers = on_answers, .ended = on_ended, .reload = reload,
		.upgrade = upgrade, .ctx = w
	};
	int r = requests_map(w->plan->handover->memory_fd, &w->requests);

	if (!r)
		r = mount_create(&w->engine, w->tree, w->plan->handover, w->requests, &hooks,
				 &w->mount);
	if (!r && !requests_inherited(w->requests))
		tree_mounted(w->tree);
	if (!r)
		w->mount->audit = settings_yes(w->tree->edition->config->mount, "audit");
	return r;
}

static int start(struct worker *w, struct sentence *why)
{
	struct config *config = NULL;
	char snapshot[32];
	bool inherited = snapshot_path(w->plan->handover->config_fd, snapshot);
	int r = load_config(w, inherited ? snapshot : w->plan->config_path, why, &config);

	/* Rather the files as they are now than no mount at all. */
	if (r && inherited) {
		inherited = false;
		r = load_config(w, w->plan->config_path, why, &config);
	}
	if (r) {
		why->text[0] = 0; /* the log has it, line by line */
		return r;
	}
	if (!inherited)
		keep_snapshot(w, config);
	r = loop_create(&w->engine.loop);
	if (!r)
		r = http_create(w->engine.loop, &w->engine.http);
	if (r) {
		config_free(config);
		return r;
	}
	r = open_tree(w, config, why);
	if (!r)
		r = watch_signals(w);
	if (!r)
		r = open_mount(w);
	return r ? r : store_accept(w->engine.store, why);
}

static void finish(struct worker *w)
{
	if (w->tree)
		tree_abort(w->tree);
	mount_destroy(w->mount);
	requests_unmap(w->requests);
	tree_destroy(w->tree);
	store_close(w->engine.store);
	http_destroy(w->engine.http);
	if (w->signals.fd >= 0 && w->engine.loop) {
		loop_unwatch(w->engine.loop, &w->signals);
		close(w->signals.fd);
	}
	loop_destroy(w->engine.loop);
	log_free(w->engine.log);
}

int worker_run(const struct worker_plan *plan)
{
	struct worker w = { .plan = plan, .signals.fd = -1 };
	struct sentence why = { "" };
	int r;

	prctl(PR_SET_NAME, "tokenfs-worker");
	if (sodium_init() < 0 || log_new(&w.engine.log))
		return WORKER_HOPELESS;
	/* A successor has no terminal to tell. */
	if (!plan->foreground && plan->handover->page->answered)
		log_to_syslog(w.engine.log);
	w.drain = (struct timer){ .due = on_drain, .ctx = &w };
	close_memory(w.engine.log);
	r = start(&w, &why);
	if (r) {
		if (why.text[0])
			log_line(w.engine.log, LOG_LEVEL_ERROR, "%s", why.text);
		else
			log_line(w.engine.log, LOG_LEVEL_ERROR, "cannot start: %s", strerror(-r));
		finish(&w);
		return WORKER_HOPELESS;
	}
	mount_replay(w.mount);
	tree_prefetch(w.tree);
	/* A reader that was just answered comes back soon: its close, its next open. */
	loop_set_spin(w.engine.loop, SPIN_US);
	r = loop_run(w.engine.loop);
	if (w.status == WORKER_HANDED_OVER) {
		/* Who waits is not told: the successor answers. */
		store_close(w.engine.store);
		_exit(w.status);
	}
	finish(&w);
	return r ? 1 : WORKER_UNMOUNTED;
}

/* tokenfs --worker HANDOVER MOUNTPOINT CONFIG FOREGROUND READY */
int worker_main(int argc, char **argv)
{
	struct handover h;
	struct worker_plan plan = { .handover = &h };

	if (argc != 7 || handover_read(argv[2], &h))
		return WORKER_HOPELESS;
	plan.mountpoint = argv[3];
	plan.config_path = argv[4][0] ? argv[4] : NULL;
	plan.foreground = argv[5][0] == '1';
	plan.ready_fd = (int)strtol(argv[6], NULL, 10);
	return worker_run(&plan);
}

int worker_exec(const char *program, const struct worker_plan *plan)
{
	char descriptors[64], ready[16];

	handover_write(plan->handover, descriptors);
	handover_keep(plan->handover, true);
	if (plan->ready_fd >= 0)
		fcntl(plan->ready_fd, F_SETFD, 0);
	snprintf(ready, sizeof ready, "%d", plan->ready_fd);
	execl(program, program, "--worker", descriptors, plan->mountpoint,
	      plan->config_path ? plan->config_path : "", plan->foreground ? "1" : "0", ready,
	      (char *)NULL);
	return -errno;
}
