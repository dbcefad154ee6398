/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm: what a mount has to bear at once, while its worker is killed at random times.
 *
 *	storm [-k SUPERVISOR KILLS] [-t SECONDS] [-g GAP_MS] [-r ROTATE_MS] JOB=PATH…
 *
 * Each job is a thread that repeats one thing as fast as it can:
 *
 *	hot=FILE           open, read to the end, close
 *	exact=FILE         open, fstat, read st_size bytes at once, and then there must be no more
 *	mtime=FILE         the same; and mtime must not change while the bytes are the same
 *	maybe=FILE         as hot; the file may be gone
 *	held=FILE          one descriptor, read whole past the page cache; opened anew every 8 s
 *	still=FILE         the same descriptor to the end
 *	bound=FILE,TARGET  as hot, through FILE bound over TARGET in a mount namespace of its own
 *	cold=FILE          rm, and then a read that has to fetch
 *	rotate=FILE        an import every ROTATE_MS, which the next open must give
 *	write=DIRECTORY    names created, written again and removed; at the end each is as it was
 *	watch=DIRECTORY    inotify; how many files were replaced
 *	pulse=CPU          sleeps for 1 ms at the worker's priority, and touches nothing: how long the
 *			   machine itself stood still
 *
 * Tokens prove themselves (tests/servers/checked.py has the structure). After a kill each job gets
 * an answer to what it was at before the next kill: a request that two workers died of is EIO.
 * It ends after KILLS kills and SECONDS seconds with a line for each job; the status is 0 when each
 * did something, nothing failed and no read of a slot that is not cold took GAP_MS.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TOKEN_MAX 8192
#define JOBS_MAX  24
#define NAMES	  12
#define HOLD_US	  8000000  /* contract 4 promises 10 s */
#define HUNG_US	  20000000 /* no operation takes this long */
#define PAUSE_US  60000	   /* between two kills, at most; at random */
#define LIFE_S	  300
#define PRIORITY  (-10) /* the worker's (fs/supervisor.c) */

struct storm {
	int64_t gap_ms, rotate_us;
	atomic_bool ending;
};

/* One thread's work, and what it saw; counts are read by main when the thread has ended. */
struct job {
	pthread_t thread;
	const struct storm *storm;
	const struct kind *kind;
	const char *path, *target;
	atomic_int_fast64_t since_us; /* since when the present step is at it; 0: it is at none */
	atomic_long steps;
	long failed, wrong, replaced;
	int64_t longest_us;
	char failure[160], fault[240]; /* the first that failed, and was wrong */

	int fd;
	int64_t opened_us, next_us;
	char first[TOKEN_MAX + 1];
	size_t first_len;
	struct timespec mtime;
	unsigned long counter,
		values[NAMES]; /* of the tokens that were written; 0: there is none */
	unsigned int random;
};

struct kind {
	const char *name;
	void (*step)(struct job *j);
	void (*last)(struct job *j);
	bool timed;   /* its longest step counts as a gap */
	bool passive; /* asks the mount for nothing */
};

static int64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void rest_us(int64_t us)
{
	struct timespec rest = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	if (us > 0)
		nanosleep(&rest, NULL);
}

static void failed(struct job *j, const char *what, int error)
{
	if (!j->failed++)
		snprintf(j->failure, sizeof j->failure, "; %s: %s", what, strerror(error));
}

static void wrong(struct job *j, const char *what, const char *bytes)
{
	if (!j->wrong++)
		snprintf(j->fault, sizeof j->fault, "; %s %.60s", what, bytes);
}

/* --- tokens that prove themselves ------------------------------------------------------------- */

static uint32_t fnv1a(const char *bytes, size_t len)
{
	uint32_t sum = 0x811c9dc5;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (unsigned char)bytes[i]) * 0x01000193u;
	return sum;
}

static size_t fill_length(unsigned long counter)
{
	return 64 + counter * 97 % 2000;
}

/* PREFIX.COUNTER.EXPIRY.FILL.SUM; false for what is not a whole token. */
static bool token_parse(const char *bytes, size_t len, unsigned long *ret_counter,
			int64_t *ret_expiry)
{
	char prefix[4], expected[9];
	unsigned long counter;
	int64_t expiry;
	int head = 0;

	if (len < 4 + 9 + 14 + 64 + 9 || strlen(bytes) != len)
		return false;
	if (sscanf(bytes, "%3[a-z].%8lu.%13" SCNd64 ".%n", prefix, &counter, &expiry, &head) != 3)
		return false;
	if (head != 4 + 9 + 14 || len != (size_t)head + fill_length(counter) + 9)
		return false;
	for (size_t i = (size_t)head; i < len - 9; i++)
		if (bytes[i] != (char)('A' + counter % 26))
			return false;
	snprintf(expected, sizeof expected, "%08" PRIx32, fnv1a(bytes, len - 9));
	if (bytes[len - 9] != '.' || strcmp(bytes + len - 8, expected))
		return false;
	*ret_counter = counter;
	*ret_expiry = expiry;
	return true;
}

static size_t make_document(unsigned long counter, char *document, size_t size)
{
	int64_t expiry = clock_us(CLOCK_REALTIME) / 1000 + LIFE_S * 1000;
	char token[TOKEN_MAX];
	size_t len;

	len = (size_t)snprintf(token, sizeof token, "imp.%08lu.%013" PRId64 ".", counter, expiry);
	memset(token + len, (int)('A' + counter % 26), fill_length(counter));
	len += fill_length(counter);
	snprintf(token + len, sizeof token - len, ".%08" PRIx32, fnv1a(token, len));
	return (size_t)snprintf(document, size, "{\"access_token\": \"%s\", \"expires_in\": %d}",
				token, LIFE_S);
}

/* Its counter, or 0 with a note of what is wrong. */
static unsigned long check(struct job *j, char *bytes, size_t len, int64_t opened_us)
{
	unsigned long counter;
	int64_t expiry;

	bytes[len] = '\0';
	if (!token_parse(bytes, len, &counter, &expiry)) {
		wrong(j, "not a whole token", bytes);
		return 0;
	}
	if (expiry <= opened_us / 1000)
		wrong(j, "an expired token", bytes);
	return counter;
}

/* --- readers ---------------------------------------------------------------------------------- */

/* A whole file; its length, or a negative errno with *ret_what that failed. */
static ssize_t read_file(const char *path, char bytes[TOKEN_MAX + 1], const char **ret_what)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	ssize_t n, len = 0;

	*ret_what = "open";
	if (fd < 0)
		return -errno;
	while ((n = read(fd, bytes + len, (size_t)(TOKEN_MAX - len))) > 0)
		len += n;
	error = errno;
	*ret_what = "read";
	close(fd);
	return n < 0 ? -error : len;
}

/* The counter of the token in a file; 0: there is none, or it is noted. */
static unsigned long read_token(struct job *j, const char *path, bool may_lack)
{
	int64_t opened_us = clock_us(CLOCK_REALTIME);
	char bytes[TOKEN_MAX + 1];
	const char *what;
	ssize_t len = read_file(path, bytes, &what);

	if (len >= 0)
		return check(j, bytes, (size_t)len, opened_us);
	if (len != -ENOENT || !may_lack)
		failed(j, what, (int)-len);
	return 0;
}

static void step_hot(struct job *j)
{
	read_token(j, j->path, false);
}

static void step_maybe(struct job *j)
{
	read_token(j, j->path, true);
}

/* As who believes in st_size reads; false and noted when it was not a whole token. */
static bool read_exactly(struct job *j, struct stat *ret_st, char bytes[TOKEN_MAX + 1])
{
	int64_t opened_us = clock_us(CLOCK_REALTIME);
	int fd = open(j->path, O_RDONLY | O_CLOEXEC);
	char text[80], more;
	bool whole = false;
	ssize_t n;

	if (fd < 0 || fstat(fd, ret_st) < 0) {
		failed(j, "open", errno);
	} else if (ret_st->st_size <= 0 || ret_st->st_size > TOKEN_MAX) {
		wrong(j, "st_size is none of a token", "");
	} else {
		n = read(fd, bytes, (size_t)ret_st->st_size);
		snprintf(text, sizeof text, "st_size %lld, %zd bytes", (long long)ret_st->st_size,
			 n);
		if (n < 0)
			failed(j, "read", errno);
		else if (n != ret_st->st_size)
			wrong(j, text, "");
		else if (read(fd, &more, 1))
			wrong(j, "more than st_size", text);
		else
			whole = check(j, bytes, (size_t)n, opened_us) != 0;
	}
	if (fd >= 0)
		close(fd);
	return whole;
}

static void step_exact(struct job *j)
{
	char bytes[TOKEN_MAX + 1];
	struct stat st;

	read_exactly(j, &st, bytes);
}

static void step_mtime(struct job *j)
{
	char bytes[TOKEN_MAX + 1];
	struct stat st;

	if (!read_exactly(j, &st, bytes))
		return;
	if (strcmp(bytes, j->first))
		j->replaced++;
	else if (st.st_mtim.tv_sec != j->mtime.tv_sec || st.st_mtim.tv_nsec != j->mtime.tv_nsec)
		wrong(j, "another mtime of the same bytes", bytes);
	memcpy(j->first, bytes, sizeof bytes);
	j->mtime = st.st_mtim;
}

static void open_held(struct job *j)
{
	int64_t opened_us = clock_us(CLOCK_REALTIME);
	ssize_t n;

	j->opened_us = clock_us(CLOCK_MONOTONIC);
	j->fd = open(j->path, O_RDONLY | O_CLOEXEC);
	n = j->fd < 0 ? -1 : pread(j->fd, j->first, TOKEN_MAX, 0);
	if (n < 0) {
		failed(j, "open of a descriptor to hold", errno);
		return;
	}
	j->first_len = (size_t)n;
	check(j, j->first, j->first_len, opened_us);
}

static void step_still(struct job *j)
{
	char bytes[TOKEN_MAX + 1] = "";
	ssize_t n;

	if (j->fd < 0) {
		open_held(j);
		return;
	}
	posix_fadvise(j->fd, 0, 0, POSIX_FADV_DONTNEED);
	n = pread(j->fd, bytes, TOKEN_MAX, 0);
	if (n < 0)
		failed(j, "pread of a held descriptor", errno);
	else if ((size_t)n != j->first_len || memcmp(bytes, j->first, j->first_len))
		wrong(j, "a held descriptor changed", bytes);
}

static void step_held(struct job *j)
{
	if (j->fd >= 0 && clock_us(CLOCK_MONOTONIC) - j->opened_us > HOLD_US) {
		close(j->fd);
		j->fd = -1;
	}
	step_still(j);
}

/* As of any file that is replaced: a name may have gone over to the next one when it is to be mounted. */
static bool bind_there(const char *path, const char *target)
{
	for (int i = 0; i < 100; i++)
		if (mount(path, target, NULL, MS_BIND, NULL) == 0)
			return true;
		else if (errno != ENOENT)
			return false;
	return false;
}

/* A thread's own mount namespace; what is mounted in it goes with the thread. */
static bool bind_apart(const char *path, const char *target)
{
	return unshare(CLONE_FS | CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 && bind_there(path, target);
}

static void step_bound(struct job *j)
{
	if (!j->opened_us) {
		j->opened_us = 1;
		if (!bind_apart(j->path, j->target))
			failed(j, "bind mount", errno);
	}
	read_token(j, j->target, false);
}

static void step_cold(struct job *j)
{
	if (unlink(j->path))
		failed(j, "unlink", errno);
	read_token(j, j->path, false);
}

/* --- writers ---------------------------------------------------------------------------------- */

/* One document, one write(2); 0 or the errno. */
static int write_document(const char *path, int flags, unsigned long counter)
{
	char document[TOKEN_MAX + 64];
	size_t len = make_document(counter, document, sizeof document);
	int error = 0, fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		return errno;
	if (write(fd, document, len) != (ssize_t)len)
		error = errno;
	close(fd);
	return error;
}

static void expect(struct job *j, const char *path, unsigned long counter)
{
	unsigned long seen = read_token(j, path, counter == 0);
	char text[160];

	if (seen == counter)
		return;
	snprintf(text, sizeof text, "%s: token %lu and not %lu", strrchr(path, '/') + 1, seen,
		 counter);
	wrong(j, text, "");
}

static void step_rotate(struct job *j)
{
	int64_t now = clock_us(CLOCK_MONOTONIC);
	int error = write_document(j->path, O_TRUNC, ++j->counter);

	if (error)
		failed(j, "import", error);
	else
		expect(j, j->path, j->counter);
	j->next_us = (j->next_us ? j->next_us : now) + j->storm->rotate_us;
	if (j->next_us < now)
		j->next_us = now;
}

static void name_path(const struct job *j, unsigned int i, char path[600])
{
	snprintf(path, 600, "%s/storm-%u", j->path, i);
}

static void step_write(struct job *j)
{
	unsigned int i = (unsigned int)rand_r(&j->random) % NAMES;
	bool removes = j->values[i] && rand_r(&j->random) % 2;
	char path[600];
	int error;

	name_path(j, i, path);
	if (removes)
		error = unlink(path) ? errno : 0;
	else
		error = write_document(path, j->values[i] ? O_TRUNC : O_CREAT | O_EXCL,
				       ++j->counter);
	if (error) {
		failed(j, removes ? "unlink" : j->values[i] ? "write" : "create", error);
		j->values[i] = read_token(j, path, true);
		return;
	}
	j->values[i] = removes ? 0 : j->counter;
	expect(j, path, j->values[i]);
}

static void last_write(struct job *j)
{
	char path[600];

	for (unsigned int i = 0; i < NAMES; i++) {
		name_path(j, i, path);
		expect(j, path, j->values[i]);
	}
}

/* --- the watcher ------------------------------------------------------------------------------ */

static void step_watch(struct job *j)
{
	_Alignas(struct inotify_event) char events[16384];
	const struct inotify_event *e;
	struct pollfd heard;
	ssize_t n = 0;

	if (j->fd < 0) {
		j->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (j->fd < 0 || inotify_add_watch(j->fd, j->path, IN_ALL_EVENTS) < 0)
			failed(j, "inotify", errno);
	}
	heard = (struct pollfd){ .fd = j->fd, .events = POLLIN };
	if (poll(&heard, 1, 100) > 0)
		n = read(j->fd, events, sizeof events);
	for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof *e + e->len)) {
		e = (const struct inotify_event *)(const void *)(events + at);
		j->replaced += (e->mask & IN_MOVED_TO) != 0;
	}
}

/* --- the machine ------------------------------------------------------------------------------ */

static void step_pulse(struct job *j)
{
	cpu_set_t cpu;

	if (!j->steps) {
		CPU_ZERO(&cpu);
		CPU_SET((size_t)strtoul(j->path, NULL, 10), &cpu);
		pthread_setaffinity_np(pthread_self(), sizeof cpu, &cpu);
		setpriority(PRIO_PROCESS, (id_t)gettid(), PRIORITY);
	}
	rest_us(1000);
}

/* --- jobs ------------------------------------------------------------------------------------- */

static const struct kind kinds[] = {
	{ .name = "hot", .step = step_hot, .timed = true },
	{ .name = "exact", .step = step_exact, .timed = true },
	{ .name = "mtime", .step = step_mtime, .timed = true },
	{ .name = "maybe", .step = step_maybe },
	{ .name = "held", .step = step_held, .timed = true },
	{ .name = "still", .step = step_still, .timed = true },
	{ .name = "bound", .step = step_bound, .timed = true },
	{ .name = "cold", .step = step_cold },
	{ .name = "rotate", .step = step_rotate },
	{ .name = "write", .step = step_write, .last = last_write },
	{ .name = "watch", .step = step_watch, .passive = true },
	{ .name = "pulse", .step = step_pulse, .passive = true },
};

static void *work(void *arg)
{
	struct job *j = arg;
	int64_t start, took;

	while (!j->storm->ending) {
		rest_us(j->next_us - clock_us(CLOCK_MONOTONIC));
		start = clock_us(CLOCK_MONOTONIC);
		j->since_us = start;
		j->kind->step(j);
		j->since_us = 0;
		j->steps++;
		took = clock_us(CLOCK_MONOTONIC) - start;
		if (took > j->longest_us)
			j->longest_us = took;
	}
	j->since_us = clock_us(CLOCK_MONOTONIC);
	if (j->kind->last)
		j->kind->last(j);
	j->since_us = 0;
	if (j->fd >= 0)
		close(j->fd);
	return NULL;
}

/* JOB=PATH[,TARGET], which is taken apart where it stands. */
static bool parse_job(struct job *j, char *text, const struct storm *storm)
{
	char *path = strchr(text, '='), *target = path ? strchr(path, ',') : NULL;

	*j = (struct job){ .storm = storm, .fd = -1 };
	if (!path)
		return false;
	*path = '\0';
	j->path = path + 1;
	if (target) {
		*target = '\0';
		j->target = target + 1;
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(kinds[i].name, text))
			j->kind = &kinds[i];
	return j->kind && (j->target != NULL) == (j->kind->step == step_bound);
}

/* Ends the program when a job is at one thing for too long: nobody could wait for its thread. */
static void look_for_hung(const struct job *jobs, int n)
{
	int64_t now = clock_us(CLOCK_MONOTONIC);

	for (int i = 0; i < n; i++) {
		int64_t since = jobs[i].since_us;

		if (jobs[i].kind->passive || !since || now - since < HUNG_US)
			continue;
		printf("hung: %s=%s after %ld steps\n", jobs[i].kind->name, jobs[i].path,
		       (long)jobs[i].steps);
		fflush(stdout);
		_exit(3);
	}
}

static bool is_done(const struct job *j, long steps)
{
	return j->kind->passive || j->steps > steps;
}

/* Until each job has ended the step that it was at. */
static void await_steps(const struct job *jobs, int n, const long *steps)
{
	for (int i = 0; i < n; i++) {
		while (!is_done(&jobs[i], steps[i])) {
			look_for_hung(jobs, n);
			rest_us(500);
		}
	}
}

/* --- the killer ------------------------------------------------------------------------------- */

/* The process that serves has the store open. */
static bool is_worker(pid_t pid)
{
	char path[64], link[512];
	struct dirent *entry;
	bool found = false;
	DIR *dir;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
		link[n > 0 ? n : 0] = '\0';
		found = n > 11 && !strcmp(link + n - 11, "/tokenfs.db");
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Among the children of the supervisor; 0: there is none now. */
static pid_t find_worker(pid_t supervisor)
{
	char path[64];
	pid_t found = 0;
	FILE *children;
	int pid;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)supervisor, (int)supervisor);
	children = fopen(path, "re");
	while (children && !found && fscanf(children, "%d", &pid) == 1)
		if (is_worker(pid))
			found = pid;
	if (children)
		fclose(children);
	return found;
}

static pid_t await_worker(pid_t supervisor, const struct job *jobs, int n)
{
	int64_t end = clock_us(CLOCK_MONOTONIC) + HUNG_US;
	pid_t worker;

	while (!(worker = find_worker(supervisor))) {
		look_for_hung(jobs, n);
		if (clock_us(CLOCK_MONOTONIC) > end) {
			printf("no worker came back\n");
			fflush(stdout);
			_exit(3);
		}
		rest_us(500);
	}
	return worker;
}

/* How many workers were killed. */
static long kill_workers(pid_t supervisor, long kills, const struct job *jobs, int n)
{
	unsigned int random = (unsigned int)getpid();
	long steps[JOBS_MAX] = { 0 }, killed = 0;
	pid_t worker;

	while (killed < kills) {
		/* At any moment of what the jobs do, but each request outlives one worker only. */
		await_steps(jobs, n, steps);
		rest_us(rand_r(&random) % PAUSE_US);
		worker = await_worker(supervisor, jobs, n);
		killed += kill(worker, SIGKILL) == 0;
		for (int i = 0; i < n; i++)
			steps[i] = jobs[i].steps;
	}
	if (kills)
		await_worker(supervisor, jobs, n);
	await_steps(jobs, n, steps);
	return killed;
}

/* --- the whole of it -------------------------------------------------------------------------- */

static void run(struct storm *storm, struct job *jobs, int n, int64_t seconds, pid_t supervisor,
		long *kills)
{
	int64_t end = clock_us(CLOCK_MONOTONIC) + seconds * 1000000;
	struct timespec limit;

	for (int i = 0; i < n; i++) {
		jobs[i].random = (unsigned int)i + 1;
		if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i])) {
			perror("pthread_create");
			exit(2);
		}
	}
	*kills = kill_workers(supervisor, *kills, jobs, n);
	while (clock_us(CLOCK_MONOTONIC) < end) {
		look_for_hung(jobs, n);
		rest_us(20000);
	}
	storm->ending = true;
	for (int i = 0; i < n; i++) {
		do {
			look_for_hung(jobs, n);
			clock_gettime(CLOCK_REALTIME, &limit);
			limit.tv_sec++;
		} while (pthread_timedjoin_np(jobs[i].thread, NULL, &limit) == ETIMEDOUT);
	}
}

static bool report(const struct storm *storm, const struct job *jobs, int n, long kills)
{
	bool good = true;
	int64_t gap = 0;

	for (int i = 0; i < n; i++) {
		const struct job *j = &jobs[i];

		printf("%-6s %7ld steps, %ld failed, %ld wrong, longest %" PRId64 " ms",
		       j->kind->name, (long)j->steps, j->failed, j->wrong, j->longest_us / 1000);
		if (j->replaced)
			printf(", %ld replaced", j->replaced);
		printf("%s%s\n", j->failure, j->fault);
		good = good && j->steps > 1 && !j->failed && !j->wrong;
		if ((j->kind->step == step_watch || j->kind->step == step_mtime) && !j->replaced) {
			printf("%s=%s: nothing was seen to be replaced\n", j->kind->name, j->path);
			good = false;
		}
		if (j->kind->timed && j->longest_us > gap)
			gap = j->longest_us;
	}
	printf("%ld kills, longest gap %" PRId64 " ms\n", kills, gap / 1000);
	if (!storm->gap_ms || gap < storm->gap_ms * 1000)
		return good;
	printf("which is not below %" PRId64 " ms\n", storm->gap_ms);
	return false;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: storm [-k SUPERVISOR KILLS] [-t SECONDS] [-g GAP_MS] [-r ROTATE_MS] "
		"JOB=PATH…\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct job jobs[JOBS_MAX];
	struct storm storm = { .rotate_us = 50000 };
	long kills = 0, supervisor = 0, seconds = 0;
	int at = 1, n = 0;

	for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
		long value = strtol(argv[at + 1], NULL, 10);

		switch (argv[at][1]) {
		case 'k':
			supervisor = value;
			kills = at + 2 < argc ? strtol(argv[at + 2], NULL, 10) : 0;
			at++;
			break;
		case 't':
			seconds = value;
			break;
		case 'g':
			storm.gap_ms = value;
			break;
		case 'r':
			storm.rotate_us = value * 1000;
			break;
		default:
			return usage();
		}
	}
	for (; at < argc && n < JOBS_MAX; at++)
		if (!parse_job(&jobs[n++], argv[at], &storm))
			return usage();
	if (!n || at < argc || (!kills && !seconds))
		return usage();
	run(&storm, jobs, n, seconds, (pid_t)supervisor, &kills);
	return report(&storm, jobs, n, kills) ? 0 : 1;
}
