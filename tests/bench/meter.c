/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter: what bench-probe does not measure. Each mode prints one line of numbers, parted by tabs.
 *
 *	bench-meter readers N MS PATH	N processes open, read and close a file over and over, for MS
 *			ms; 0: until standard input ends. Reads, failures, longest in ns, elapsed in ns
 *	bench-meter preads N MS PATH	the same, each reading a descriptor that it holds open
 *	bench-meter lookups N DIR SLOTS	N names of n000000 to SLOTS - 1, at random, with stat(2):
 *			p50 and p99 in ns
 *	bench-meter rotations N DIR NAME BOUND	from the moment that N generations were issued (their
 *			mtime, ms) until DIR/NAME has them, until inotify says so of DIR, and until
 *			BOUND, a bind mount of that file, has them: p50 and longest of each, in ms
 *	bench-meter stall	prints the port of a server that takes connections and says nothing,
 *			until standard input ends
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX 131072
#define READERS_MAX 64
#define SAMPLES_MAX 1000000
#define ROTATION_PAUSE_MS 1
#define ROTATION_PATIENCE_MS 20000

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int complain(const char *what, int r)
{
	fprintf(stderr, "bench-meter: %s: %s\n", what, r ? strerror(-r) : "empty");
	return 1;
}

/* To the end of the file: its length, or -errno. */
static ssize_t read_to_end(int fd, char *bytes)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, bytes + len, READ_MAX - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 && len < READ_MAX);
	return n < 0 ? -errno : (ssize_t)len;
}

/* The whole file, and when it was made; its length, or -errno. */
static ssize_t read_whole(const char *path, char *bytes, int64_t *ret_mtime_ms)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read_to_end(fd, bytes);
	if (ret_mtime_ms && !fstat(fd, &st))
		*ret_mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	close(fd);
	return n;
}

/* --- order statistics -------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* n is not 0. */
static void print_percentiles(int64_t *ns, size_t n)
{
	qsort(ns, n, sizeof *ns, compare);
	printf("%lld\t%lld\n", (long long)ns[n / 2], (long long)ns[n * 99 / 100]);
}

static void print_longest(int64_t *ms, size_t n, char end)
{
	qsort(ms, n, sizeof *ms, compare);
	printf("%lld\t%lld%c", (long long)ms[n / 2], (long long)ms[n - 1], end);
}

/* --- readers ----------------------------------------------------------------------------------- */

/* Of one process, on a cache line of its own. */
struct count {
	_Alignas(128) uint64_t reads;
	uint64_t failures;
	int64_t longest_ns;
};

struct readers {
	atomic_bool go, stop;
	struct count counts[READERS_MAX];
};

static ssize_t read_once(const char *path, int fd, char *bytes)
{
	return fd < 0 ? read_whole(path, bytes, NULL) : pread(fd, bytes, READ_MAX, 0);
}

static void read_on(struct readers *all, struct count *c, const char *path, bool held)
{
	static char bytes[READ_MAX];
	int fd = held ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load_explicit(&all->go, memory_order_relaxed))
		usleep(500);
	while (!atomic_load_explicit(&all->stop, memory_order_relaxed)) {
		int64_t start = now_ns(), took;
		ssize_t n = read_once(path, fd, bytes);

		took = now_ns() - start;
		c->reads++;
		c->failures += n <= 0;
		c->longest_ns = took > c->longest_ns ? took : c->longest_ns;
	}
}

static void until_end_of_input(int timeout_ms)
{
	struct pollfd end = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	if (timeout_ms) {
		poll(NULL, 0, timeout_ms);
		return;
	}
	while (poll(&end, 1, -1) > 0 && read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static int print_counts(const struct readers *all, int n, int64_t elapsed_ns)
{
	struct count sum = { .reads = 0 };

	for (int i = 0; i < n; i++) {
		const struct count *c = &all->counts[i];

		sum.reads += c->reads;
		sum.failures += c->failures;
		sum.longest_ns = c->longest_ns > sum.longest_ns ? c->longest_ns : sum.longest_ns;
	}
	printf("%llu\t%llu\t%lld\t%lld\n", (unsigned long long)sum.reads,
	       (unsigned long long)sum.failures, (long long)sum.longest_ns, (long long)elapsed_ns);
	return !sum.reads;
}

static int run_readers(int n, int ms, const char *path, bool held)
{
	struct readers *all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int started = 0;
	int64_t start;

	if (all == MAP_FAILED || n < 1 || n > READERS_MAX)
		return 2;
	for (; started < n; started++) {
		pid_t pid = fork();

		if (!pid) {
			read_on(all, &all->counts[started], path, held);
			_exit(0);
		}
		if (pid < 0)
			break;
	}
	start = now_ns();
	atomic_store(&all->go, true);
	until_end_of_input(ms);
	atomic_store(&all->stop, true);
	start = now_ns() - start;
	while (wait(NULL) > 0)
		;
	return started == n ? print_counts(all, n, start) : complain("fork", -EAGAIN);
}

/* --- one after the other ----------------------------------------------------------------------- */

static int look_up(size_t n, const char *dir, uint64_t slots, int64_t *ns)
{
	uint64_t random = 88172645463325252u;
	char path[4096];
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		int64_t start;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		snprintf(path, sizeof path, "%s/n%06llu", dir, (unsigned long long)(random % slots));
		start = now_ns();
		if (stat(path, &st))
			return complain(path, -errno);
		ns[i] = now_ns() - start;
	}
	print_percentiles(ns, n);
	return 0;
}

static int run_lookups(size_t n, const char *dir, uint64_t slots)
{
	int64_t *ns = n && slots && n <= SAMPLES_MAX ? calloc(n, sizeof *ns) : NULL;
	int status = ns ? look_up(n, dir, slots, ns) : 2;

	free(ns);
	return status;
}

/* --- rotations --------------------------------------------------------------------------------- */

struct view {
	char bytes[READ_MAX];
	ssize_t len;
};

enum way { WAY_NAME, WAY_INOTIFY, WAY_BOUND, WAYS };

struct rotations {
	const char *name, *bound;
	char path[4096];
	int inotify;
	struct view now, last_bound; /* by name, and through the bind mount */
	int64_t issued_ms;           /* what is there by name */
	size_t n, wanted, seen[WAYS];
	int64_t *ms[WAYS];
};

static void note(struct rotations *r, enum way way)
{
	if (r->seen[way] < r->wanted)
		r->ms[way][r->seen[way]++] = wall_ms() - r->issued_ms;
}

/* true: there are other bytes now. */
static bool look(const char *path, struct view *v, int64_t *ret_mtime_ms)
{
	static char bytes[READ_MAX];
	int64_t mtime_ms = 0;
	ssize_t len = read_whole(path, bytes, &mtime_ms);

	if (len <= 0 || (len == v->len && !memcmp(bytes, v->bytes, (size_t)len)))
		return false;
	memcpy(v->bytes, bytes, (size_t)len);
	v->len = len;
	if (ret_mtime_ms)
		*ret_mtime_ms = mtime_ms;
	return true;
}

static void look_by_name(struct rotations *r)
{
	if (look(r->path, &r->now, &r->issued_ms))
		note(r, WAY_NAME);
}

static void look_at_bound(struct rotations *r)
{
	if (look(r->bound, &r->last_bound, NULL) && r->last_bound.len == r->now.len &&
	    !memcmp(r->last_bound.bytes, r->now.bytes, (size_t)r->now.len))
		note(r, WAY_BOUND);
}

static void hear(struct rotations *r)
{
	_Alignas(struct inotify_event) char events[4096];
	ssize_t n = read(r->inotify, events, sizeof events);
	const struct inotify_event *e;

	for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof *e + e->len)) {
		e = (const void *)(events + at);
		if (!e->len || strcmp(e->name, r->name))
			continue;
		look_by_name(r);
		note(r, WAY_INOTIFY);
	}
}

static bool wants_more(const struct rotations *r)
{
	for (int way = 0; way < WAYS; way++)
		if (r->seen[way] < r->wanted)
			return true;
	return false;
}

static int watch_rotations(struct rotations *r)
{
	int64_t quiet_since = wall_ms();
	size_t before = 0;

	if (!look(r->path, &r->now, &r->issued_ms) || !look(r->bound, &r->last_bound, NULL))
		return complain(r->path, -errno);
	while (wants_more(r)) {
		struct pollfd event = { .fd = r->inotify, .events = POLLIN };

		if (poll(&event, 1, ROTATION_PAUSE_MS) > 0)
			hear(r);
		look_by_name(r);
		look_at_bound(r);
		if (r->seen[WAY_NAME] + r->seen[WAY_INOTIFY] + r->seen[WAY_BOUND] != before) {
			before = r->seen[WAY_NAME] + r->seen[WAY_INOTIFY] + r->seen[WAY_BOUND];
			quiet_since = wall_ms();
		}
		if (wall_ms() - quiet_since > ROTATION_PATIENCE_MS)
			break;
	}
	for (int way = 0; way < WAYS; way++) {
		if (r->seen[way])
			print_longest(r->ms[way], r->seen[way], way + 1 < WAYS ? '\t' : '\n');
		else
			printf("-\t-%c", way + 1 < WAYS ? '\t' : '\n');
	}
	return 0;
}

static int run_rotations(size_t n, const char *dir, const char *name, const char *bound)
{
	static struct rotations r;
	int status = 1;

	r.name = name;
	r.bound = bound;
	r.wanted = n;
	snprintf(r.path, sizeof r.path, "%s/%s", dir, name);
	r.inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	for (int way = 0; way < WAYS; way++)
		r.ms[way] = calloc(n, sizeof(int64_t));
	if (r.inotify < 0 || inotify_add_watch(r.inotify, dir, IN_MOVED_TO) < 0)
		complain(dir, -errno);
	else if (r.ms[WAY_NAME] && r.ms[WAY_INOTIFY] && r.ms[WAY_BOUND])
		status = watch_rotations(&r);
	for (int way = 0; way < WAYS; way++)
		free(r.ms[way]);
	return status;
}

/* --- a server that says nothing ---------------------------------------------------------------- */

static int run_stall(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		return complain("stall", -errno);
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	until_end_of_input(0);
	return 0;
}

/* --- modes ------------------------------------------------------------------------------------- */

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static int run(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "stall") && argc == 2)
		return run_stall();
	if ((!strcmp(mode, "readers") || !strcmp(mode, "preads")) && argc == 5)
		return run_readers(number(argv[2]), number(argv[3]), argv[4], *mode == 'p');
	if (!strcmp(mode, "lookups") && argc == 5)
		return run_lookups(strtoul(argv[2], NULL, 10), argv[3], strtoull(argv[4], NULL, 10));
	if (!strcmp(mode, "rotations") && argc == 6 && number(argv[2]) > 0)
		return run_rotations(strtoul(argv[2], NULL, 10), argv[3], argv[4], argv[5]);
	return 2;
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	if (status == 2)
		fprintf(stderr, "usage: bench-meter readers|preads N MS PATH | lookups N DIR SLOTS | "
				"rotations N DIR NAME BOUND | stall\n");
	return status;
}
