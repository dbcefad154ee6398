/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stress: readers, mmap readers, stat loops and a writer on one token, all at once.
 *
 *	stress PATH SECONDS [ROTATE_MS]
 *
 * The token is one that proves itself (tests/servers/checked.py has the structure), so every read is
 * checked for being whole, unmixed, not over at the open, and free of what is written meanwhile. The
 * writer writes a document that must be refused every 30 ms; every ROTATE_MS its document imports a
 * new token instead. Ends with the counts on one line; the status is 0 when nothing was wrong and
 * there was something to see.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READERS 12
#define MAPPERS 2
#define STATTERS 3
#define THREADS (READERS + MAPPERS + STATTERS + 1)
#define TOKEN_MAX 8192
#define WRITE_EVERY_MS 30
#define IMPORT_LIFE_MS 1000

struct plan {
	const char *path;
	int64_t end_ms; /* CLOCK_MONOTONIC */
	long rotate_ms; /* 0: the server's tokens only */
};

/* One thread's work, and what it saw; read by main when the thread has ended. */
struct worker {
	pthread_t thread;
	const struct plan *plan;
	void (*step)(struct worker *w);
	long reads, maps, stats, refused, imports, changes;
	long wrong, expired, errors;
	uint32_t last_sum;
	int64_t next_write_ms, next_import_ms;
	char trouble[160]; /* the first thing that went wrong */
};

static int64_t clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void note(struct worker *w, const char *what, int error, const char *bytes, size_t len)
{
	if (w->trouble[0])
		return;
	snprintf(w->trouble, sizeof(w->trouble), "%s: %s, %zu bytes: %.40s", what,
		 error ? strerror(error) : "", len, bytes);
}

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

/* PREFIX.COUNTER.EXPIRY.FILL.SUM; the expiry, or -1 for what is not a whole token. */
static int64_t token_expiry(const char *bytes, size_t len)
{
	char prefix[4], sum[9], expected[9];
	unsigned long counter;
	int64_t expiry;
	int head = 0;

	if (len < 4 + 9 + 14 + 64 + 9 || bytes[len] != '\0' || strlen(bytes) != len)
		return -1;
	if (sscanf(bytes, "%3[a-z].%8lu.%13" SCNd64 ".%n", prefix, &counter, &expiry, &head) != 3)
		return -1;
	if (head != 4 + 9 + 14 || len != (size_t)head + fill_length(counter) + 9)
		return -1;
	for (size_t i = (size_t)head; i < len - 9; i++)
		if (bytes[i] != (char)('A' + counter % 26))
			return -1;
	memcpy(sum, bytes + len - 8, sizeof(sum));
	snprintf(expected, sizeof(expected), "%08" PRIx32, fnv1a(bytes, len - 9));
	return bytes[len - 9] == '.' && strcmp(sum, expected) == 0 ? expiry : -1;
}

static void check(struct worker *w, const char *what, char *bytes, size_t len, int64_t opened_ms)
{
	int64_t expiry;
	uint32_t sum;

	bytes[len] = '\0';
	expiry = token_expiry(bytes, len);
	if (expiry < 0) {
		w->wrong++;
		note(w, what, 0, bytes, len);
		return;
	}
	if (expiry <= opened_ms) {
		w->expired++;
		note(w, "expired", 0, bytes, len);
	}
	sum = fnv1a(bytes, len);
	if (sum != w->last_sum)
		w->changes++;
	w->last_sum = sum;
}

static int open_token(struct worker *w, int64_t *ret_opened_ms)
{
	int fd;

	*ret_opened_ms = clock_ms(CLOCK_REALTIME);
	fd = open(w->plan->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		w->errors++;
		note(w, "open", errno, "", 0);
	}
	return fd;
}

static void step_read(struct worker *w)
{
	char bytes[TOKEN_MAX + 1];
	int64_t opened_ms;
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open_token(w, &opened_ms);
	if (fd < 0)
		return;
	while ((n = read(fd, bytes + len, TOKEN_MAX - len)) > 0)
		len += (size_t)n;
	if (n < 0) {
		w->errors++;
		note(w, "read", errno, "", 0);
	} else {
		check(w, "read", bytes, len, opened_ms);
		w->reads++;
	}
	close(fd);
}

/*
 * What a mapping shows; by way of write(2), which answers EFAULT where a look at a page that is not
 * there would be SIGBUS. 0 or the errno.
 */
static int copy_mapping(int fd, char *bytes, size_t len)
{
	int error = 0, sink;
	void *area;

	sink = memfd_create("stress", MFD_CLOEXEC);
	if (sink < 0)
		return errno;
	area = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (area == MAP_FAILED)
		error = errno;
	else if (pwrite(sink, area, len, 0) != (ssize_t)len)
		error = EFAULT;
	else if (pread(sink, bytes, len, 0) != (ssize_t)len)
		error = EIO;
	if (area != MAP_FAILED)
		munmap(area, len);
	close(sink);
	return error;
}

static void step_map(struct worker *w)
{
	char bytes[TOKEN_MAX + 1];
	int64_t opened_ms;
	struct stat st;
	int error, fd;

	fd = open_token(w, &opened_ms);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > TOKEN_MAX) {
		w->wrong++;
		note(w, "fstat: no size to map", 0, "", 0);
	} else {
		error = copy_mapping(fd, bytes, (size_t)st.st_size);
		if (error) {
			w->wrong++;
			note(w, "mmap", error, "", (size_t)st.st_size);
		} else {
			check(w, "mmap", bytes, (size_t)st.st_size, opened_ms);
			w->maps++;
		}
	}
	close(fd);
}

static void step_stat(struct worker *w)
{
	struct stat st;

	if (stat(w->plan->path, &st) < 0) {
		w->errors++;
		note(w, "stat", errno, "", 0);
	} else if (st.st_size < 64) {
		w->wrong++;
		note(w, "stat: size", 0, "", (size_t)st.st_size);
	}
	w->stats++;
}

/* One document, one write(2); 0 or the errno. */
static int write_document(const char *path, const char *document, size_t len)
{
	int error = 0, fd;

	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, document, len) != (ssize_t)len)
		error = errno;
	close(fd);
	return error;
}

/* A token of our own in a document; broken: the document ends before its last brace. */
static size_t make_document(struct worker *w, bool broken, char *document, size_t size)
{
	unsigned long counter = (unsigned long)(w->imports + w->refused) % 100000000;
	int64_t expiry = clock_ms(CLOCK_REALTIME) + IMPORT_LIFE_MS;
	char token[TOKEN_MAX];
	size_t len;

	len = (size_t)snprintf(token, sizeof(token), "imp.%08lu.%013" PRId64 ".", counter, expiry);
	memset(token + len, (int)('A' + counter % 26), fill_length(counter));
	len += fill_length(counter);
	snprintf(token + len, sizeof(token) - len, ".%08" PRIx32, fnv1a(token, len));
	return (size_t)snprintf(document, size, "{\"access_token\": \"%s\", \"expires_in\": 1%s",
				token, broken ? "" : "}");
}

static void step_write(struct worker *w)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC);
	char document[TOKEN_MAX + 64];
	struct timespec rest = { 0 };
	bool broken;
	size_t len;
	int error;

	if (now < w->next_write_ms) {
		rest.tv_nsec = (long)(w->next_write_ms - now) * 1000000;
		nanosleep(&rest, NULL);
	}
	now = clock_ms(CLOCK_MONOTONIC);
	broken = w->plan->rotate_ms == 0 || now < w->next_import_ms;
	len = make_document(w, broken, document, sizeof(document));
	error = write_document(w->plan->path, document, len);
	if (error != (broken ? EINVAL : 0)) {
		w->errors++;
		note(w, broken ? "a broken document" : "an import", error, "", len);
	}
	if (broken) {
		w->refused++;
	} else {
		w->imports++;
		w->next_import_ms = now + w->plan->rotate_ms;
	}
	w->next_write_ms = now + WRITE_EVERY_MS;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (clock_ms(CLOCK_MONOTONIC) < w->plan->end_ms)
		w->step(w);
	return NULL;
}

static void run(const struct plan *plan, struct worker workers[THREADS])
{
	for (int i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		*w = (struct worker){ .plan = plan, .step = step_write };
		if (i < READERS)
			w->step = step_read;
		else if (i < READERS + MAPPERS)
			w->step = step_map;
		else if (i < READERS + MAPPERS + STATTERS)
			w->step = step_stat;
		if (pthread_create(&w->thread, NULL, work, w)) {
			perror("pthread_create");
			exit(2);
		}
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
}

static bool report(const struct worker workers[THREADS])
{
	struct worker all = { 0 };

	for (int i = 0; i < THREADS; i++) {
		const struct worker *w = &workers[i];

		all.reads += w->reads;
		all.maps += w->maps;
		all.stats += w->stats;
		all.refused += w->refused;
		all.imports += w->imports;
		all.wrong += w->wrong;
		all.expired += w->expired;
		all.errors += w->errors;
		if (w->changes > all.changes)
			all.changes = w->changes;
		if (w->trouble[0])
			fprintf(stderr, "thread %d: %s\n", i, w->trouble);
	}
	printf("reads %ld mmaps %ld stats %ld refused %ld imports %ld tokens %ld "
	       "wrong %ld expired %ld errors %ld\n",
	       all.reads, all.maps, all.stats, all.refused, all.imports, all.changes, all.wrong,
	       all.expired, all.errors);
	return all.reads && all.maps && all.stats && all.refused && all.changes > 1 && !all.wrong &&
	       !all.expired && !all.errors;
}

int main(int argc, char **argv)
{
	struct worker workers[THREADS];
	struct plan plan;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: stress PATH SECONDS [ROTATE_MS]\n");
		return 2;
	}
	plan.path = argv[1];
	plan.end_ms = clock_ms(CLOCK_MONOTONIC) + strtol(argv[2], NULL, 10) * 1000;
	plan.rotate_ms = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
	run(&plan, workers);
	return report(workers) ? 0 : 1;
}
