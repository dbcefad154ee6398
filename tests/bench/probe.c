/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: measures how long it takes to read files, all of them in one interleaved run, so that
 * whatever else the machine does meets every one of them alike.
 *
 *	bench-probe ITERATIONS BLOCK NAME:PID:PATH...
 *
 * PID is the process that serves PATH; it is put on the reader's core, and then on another one. 0
 * stands for the kernel. A line for each series: name, place of the server (same, other, -), what
 * was timed (open: open, read to the end, close; fd: one pread of all of a file that is open), p50
 * and p99 in ns, bytes read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX 131072
#define TARGETS_MAX 16

enum place { PLACE_SAME, PLACE_OTHER, PLACES };
enum kind { KIND_OPEN, KIND_FD, KINDS };

struct series {
	int64_t *ns;
	size_t n;
};

struct target {
	char name[64];
	pid_t pid; /* 0: nobody serves it */
	const char *path;
	size_t bytes;
	struct series series[PLACES][KINDS];
};

struct run {
	long iterations, block;
	int cpu[PLACES]; /* the server's; -1: there is no such core. The reader's is PLACE_SAME's */
	size_t n;
	struct target targets[TARGETS_MAX];
	char *bytes;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The whole file; its length, or -errno. */
static ssize_t read_whole(const char *path, char *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, bytes + len, READ_MAX - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 && len < READ_MAX);
	close(fd);
	return n < 0 ? -EIO : (ssize_t)len;
}

/* Adds one measurement. What came must be a whole file, or the number would be worth nothing. */
static int keep(const struct target *t, struct series *s, int64_t ns, ssize_t got)
{
	if (got <= 0) {
		fprintf(stderr, "bench-probe: %s: %s\n", t->path,
			got ? strerror((int)-got) : "empty");
		return -EIO;
	}
	s->ns[s->n++] = ns;
	return 0;
}

static int block_of_opens(const struct run *run, struct target *t, enum place place)
{
	int r = 0;

	for (long i = 0; i < run->block && !r; i++) {
		int64_t start = now_ns();
		ssize_t got = read_whole(t->path, run->bytes);

		r = keep(t, &t->series[place][KIND_OPEN], now_ns() - start, got);
		t->bytes = got > 0 ? (size_t)got : 0;
	}
	return r;
}

static int block_of_preads(const struct run *run, struct target *t, enum place place)
{
	int fd = open(t->path, O_RDONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return keep(t, NULL, 0, -errno);
	for (long i = 0; i < run->block && !r; i++) {
		int64_t start = now_ns();
		ssize_t got = pread(fd, run->bytes, READ_MAX, 0);

		r = keep(t, &t->series[place][KIND_FD], now_ns() - start, got < 0 ? -errno : got);
	}
	close(fd);
	return r;
}

/* Puts every thread of a process on one core. */
static int pin(pid_t pid, int cpu)
{
	char path[64];
	struct dirent *entry;
	cpu_set_t set;
	DIR *tasks;
	int r = 0;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return -errno;
	while ((entry = readdir(tasks))) {
		long tid = strtol(entry->d_name, NULL, 10);

		/* a thread that ended meanwhile is no mistake */
		if (tid > 0 && sched_setaffinity((pid_t)tid, sizeof(set), &set) && errno != ESRCH)
			r = -errno;
	}
	closedir(tasks);
	return r;
}

static int blocks_of_target(const struct run *run, struct target *t, enum place place)
{
	int r;

	if (t->pid) {
		r = pin(t->pid, run->cpu[place]);
		if (r) {
			fprintf(stderr, "bench-probe: cannot move %s (%d): %s\n", t->name,
				(int)t->pid, strerror(-r));
			return r;
		}
	}
	r = block_of_opens(run, t, place);
	return r ? r : block_of_preads(run, t, place);
}

static int measure(struct run *run)
{
	int r = 0;

	for (long done = 0; done < run->iterations && !r; done += run->block) {
		for (int place = 0; place < PLACES && !r; place++) {
			if (run->cpu[place] < 0)
				continue;
			for (size_t i = 0; i < run->n && !r; i++) {
				struct target *t = &run->targets[i];

				if (t->pid || place == PLACE_SAME)
					r = blocks_of_target(run, t, (enum place)place);
			}
		}
	}
	return r;
}

static int compare_ns(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print_target(struct target *t)
{
	static const char *const places[] = { "same", "other" };
	static const char *const kinds[] = { "open", "fd" };

	for (int place = 0; place < PLACES; place++) {
		for (int kind = 0; kind < KINDS; kind++) {
			struct series *s = &t->series[place][kind];

			if (!s->n)
				continue;
			qsort(s->ns, s->n, sizeof(*s->ns), compare_ns);
			printf("%s\t%s\t%s\t%lld\t%lld\t%zu\n", t->name,
			       t->pid ? places[place] : "-", kinds[kind],
			       (long long)s->ns[s->n / 2], (long long)s->ns[s->n * 99 / 100],
			       t->bytes);
		}
	}
}

/* The first two cores that we may use; the reader goes to the first. */
static int choose_cores(struct run *run)
{
	cpu_set_t allowed;
	int found = 0;

	run->cpu[PLACE_SAME] = run->cpu[PLACE_OTHER] = -1;
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -errno;
	for (int cpu = 0; cpu < CPU_SETSIZE && found < PLACES; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			run->cpu[found++] = cpu;
	}
	return pin(getpid(), run->cpu[PLACE_SAME]);
}

/* NAME:PID:PATH */
static int parse_target(char *text, struct target *t, size_t room)
{
	char *pid = strchr(text, ':');
	char *path = pid ? strchr(pid + 1, ':') : NULL;

	if (!path || (size_t)(pid - text) >= sizeof(t->name))
		return -EINVAL;
	memcpy(t->name, text, (size_t)(pid - text));
	t->pid = (pid_t)strtol(pid + 1, NULL, 10);
	t->path = path + 1;
	for (int i = 0; i < PLACES * KINDS; i++) {
		struct series *s = &t->series[i / KINDS][i % KINDS];

		s->ns = calloc(room, sizeof(*s->ns));
		if (!s->ns)
			return -ENOMEM;
	}
	return 0;
}

static int parse(int argc, char **argv, struct run *run)
{
	int r = 0;

	if (argc < 4 || argc - 3 > TARGETS_MAX)
		return -EINVAL;
	run->iterations = strtol(argv[1], NULL, 10);
	run->block = strtol(argv[2], NULL, 10);
	if (run->block < 1 || run->iterations < run->block)
		return -EINVAL;
	for (int i = 3; i < argc && !r; i++)
		r = parse_target(argv[i], &run->targets[run->n++],
				 (size_t)(run->iterations + run->block));
	return r;
}

static void finish(struct run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		for (int s = 0; s < PLACES * KINDS; s++)
			free(run->targets[i].series[s / KINDS][s % KINDS].ns);
	}
	free(run->bytes);
}

int main(int argc, char **argv)
{
	__attribute__((cleanup(finish))) struct run run = { .n = 0 };

	if (parse(argc, argv, &run)) {
		fprintf(stderr, "usage: bench-probe ITERATIONS BLOCK NAME:PID:PATH...\n");
		return 2;
	}
	run.bytes = malloc(READ_MAX);
	if (!run.bytes || choose_cores(&run) || measure(&run))
		return 1;
	for (size_t i = 0; i < run.n; i++)
		print_target(&run.targets[i]);
	return 0;
}
