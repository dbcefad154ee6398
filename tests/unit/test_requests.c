/* SPDX-License-Identifier: Apache-2.0 */
/*
 * requests: a worker that is killed loses none. A packet socket stands in for the FUSE descriptor, and
 * a second mapping of the memory for the successor.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/fuse.h>

#include "requests.h"

#define ROOM (140 << 10)

struct bench {
	int memory, kernel, worker; /* two ends of a socket */
	struct requests *requests;
	char buf[ROOM];
};

static int begin(void **state)
{
	static struct bench b;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	b = (struct bench){ .kernel = ends[0], .worker = ends[1] };
	assert_int_equal(requests_create(&b.memory), 0);
	assert_int_equal(requests_map(b.memory, &b.requests), 0);
	*state = &b;
	return 0;
}

static int end(void **state)
{
	struct bench *b = *state;

	requests_unmap(b->requests);
	close(b->memory);
	close(b->kernel);
	close(b->worker);
	return 0;
}

/* The worker is killed: its successor maps what it left. */
static void kill_worker(struct bench *b)
{
	requests_unmap(b->requests);
	assert_int_equal(requests_map(b->memory, &b->requests), 0);
}

static void ask(struct bench *b, uint32_t opcode, uint64_t unique, const char *body)
{
	char bytes[ROOM];
	struct fuse_in_header head = { .opcode = opcode, .unique = unique };
	size_t len = sizeof head + strlen(body) + 1;

	head.len = (uint32_t)len;
	memcpy(bytes, &head, sizeof head);
	memcpy(bytes + sizeof head, body, strlen(body) + 1);
	assert_int_equal(send(b->kernel, bytes, len, 0), len);
}

/* The next request's `unique`, 0 when there is none. */
static uint64_t next(struct bench *b)
{
	struct fuse_in_header head;
	ssize_t n = requests_read(b->requests, b->worker, b->buf, sizeof b->buf);

	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return 0;
	}
	memcpy(&head, b->buf, sizeof head);
	assert_int_equal(head.len, n);
	return head.unique;
}

static const char *body(const struct bench *b)
{
	return b->buf + sizeof(struct fuse_in_header);
}

static void answer(struct bench *b, uint64_t unique)
{
	struct fuse_out_header head = { .len = sizeof head, .unique = unique };
	struct iovec part = { &head, sizeof head };

	assert_int_equal(requests_writev(b->requests, b->worker, &part, 1), sizeof head);
}

/* What the kernel hears next: the answered `unique`, its error into ret; 0: nothing. */
static uint64_t heard(struct bench *b, int *ret_error)
{
	struct fuse_out_header head;

	if (recv(b->kernel, &head, sizeof head, 0) != sizeof head)
		return 0;
	*ret_error = head.error;
	return head.unique;
}

static void what_is_answered_is_not_asked_again(void **state)
{
	struct bench *b = *state;
	int error;

	ask(b, FUSE_LOOKUP, 10, "access_token");
	assert_int_equal(next(b), 10);
	answer(b, 10);
	assert_int_equal(heard(b, &error), 10);
	kill_worker(b);
	assert_int_equal(next(b), 0);
}

static void what_was_left_is_asked_of_the_successor_whole_and_in_order(void **state)
{
	struct bench *b = *state;
	static char large[100 << 10];

	memset(large, 'x', sizeof large - 1);
	ask(b, FUSE_OPEN, 1, "one");
	ask(b, FUSE_OPEN, 2, "two");
	ask(b, FUSE_WRITE, 3, large);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(next(b), n);
	answer(b, 1);
	kill_worker(b);
	assert_true(requests_left(b->requests));
	assert_int_equal(next(b), 2);
	assert_string_equal(body(b), "two");
	assert_int_equal(next(b), 3);
	assert_string_equal(body(b), large);
	assert_int_equal(next(b), 0);
	assert_false(requests_left(b->requests));
}

static void init_is_replayed_and_its_answer_is_not_sent_again(void **state)
{
	struct bench *b = *state;
	int error;

	ask(b, FUSE_INIT, 1, "hello");
	assert_int_equal(next(b), 1);
	answer(b, 1);
	assert_int_equal(heard(b, &error), 1);
	for (int i = 0; i < 3; i++) {
		kill_worker(b);
		assert_int_equal(next(b), 1);
		answer(b, 1);
		assert_int_equal(heard(b, &error), 0);
		assert_int_equal(next(b), 0);
	}
}

static void init_that_was_not_answered_is_answered_by_the_successor(void **state)
{
	struct bench *b = *state;
	int error;

	ask(b, FUSE_INIT, 1, "hello");
	assert_int_equal(next(b), 1);
	kill_worker(b);
	assert_int_equal(next(b), 1);
	answer(b, 1);
	assert_int_equal(heard(b, &error), 1);
}

static void a_request_that_kills_every_worker_is_answered_eio(void **state)
{
	struct bench *b = *state;
	int error = 0;

	ask(b, FUSE_WRITE, 5, "poison");
	assert_int_equal(next(b), 5);
	kill_worker(b);
	assert_int_equal(next(b), 5);
	kill_worker(b);
	assert_int_equal(next(b), 0);
	assert_int_equal(heard(b, &error), 5);
	assert_int_equal(error, -EIO);
}

/* It only waits, and others are what the workers died over. */
static void a_request_that_waits_is_not_to_blame(void **state)
{
	struct bench *b = *state;
	int error;

	ask(b, FUSE_OPEN, 5, "innocent");
	assert_int_equal(next(b), 5);
	for (uint64_t n = 100; n < 110; n++) {
		ask(b, FUSE_LOOKUP, n, "served last");
		assert_int_equal(next(b), n);
		answer(b, n);
		assert_int_equal(heard(b, &error), n);
		ask(b, FUSE_LOOKUP, n + 1000, "dies");
		assert_int_equal(next(b), n + 1000);
		kill_worker(b);
		assert_int_equal(next(b), 5);
		assert_int_equal(next(b), n + 1000);
		answer(b, n + 1000);
		assert_int_equal(heard(b, &error), n + 1000);
	}
}

/* Contract 8: a stalled server's opens and writes leave room for everybody else. */
static void the_last_places_are_not_for_those_that_may_wait(void **state)
{
	struct bench *b = *state;
	uint64_t n = 0;
	int error = 0;

	do
		ask(b, FUSE_OPEN, ++n, "waits");
	while (next(b) == n);
	assert_int_equal(heard(b, &error), n);
	assert_int_equal(error, -EAGAIN);
	assert_false(requests_full(b->requests));
	ask(b, FUSE_LOOKUP, ++n, "does not");
	assert_int_equal(next(b), n);
}

static void what_wants_no_answer_is_not_kept(void **state)
{
	struct bench *b = *state;

	ask(b, FUSE_FORGET, 1, "");
	ask(b, FUSE_BATCH_FORGET, 2, "");
	ask(b, FUSE_INTERRUPT, 3, "");
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(next(b), n);
	kill_worker(b);
	assert_int_equal(next(b), 0);
}

/* Contract 5: a document does not stay in this memory. */
static void what_was_written_is_wiped_with_its_answer(void **state)
{
	static const char secret[] = "a-refresh-token-that-must-not-stay";
	struct bench *b = *state;
	off_t size = lseek(b->memory, 0, SEEK_END);
	const char *all;

	ask(b, FUSE_WRITE, 9, secret);
	assert_int_equal(next(b), 9);
	all = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, b->memory, 0);
	assert_ptr_not_equal(all, MAP_FAILED);
	assert_non_null(memmem(all, (size_t)size, secret, sizeof secret - 1));
	answer(b, 9);
	assert_null(memmem(all, (size_t)size, secret, sizeof secret - 1));
	munmap((void *)(uintptr_t)all, (size_t)size);
}

static void when_there_is_no_room_nothing_is_read_until_something_is_answered(void **state)
{
	struct bench *b = *state;
	uint64_t n = 0;

	do
		ask(b, FUSE_LOOKUP, ++n, "x");
	while (next(b) == n);
	assert_true(requests_full(b->requests));
	answer(b, 1);
	assert_false(requests_full(b->requests));
	assert_int_equal(next(b), n);
}

static void a_memory_of_another_layout_is_refused(void **state)
{
	struct bench *b = *state;
	uint32_t *head = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, b->memory, 0);
	struct requests *other;

	assert_ptr_not_equal(head, MAP_FAILED);
	head[2]++; /* the layout's number */
	assert_int_equal(requests_map(b->memory, &other), -EPROTO);
	munmap(head, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(what_is_answered_is_not_asked_again),
		TEST(what_was_left_is_asked_of_the_successor_whole_and_in_order),
		TEST(init_is_replayed_and_its_answer_is_not_sent_again),
		TEST(init_that_was_not_answered_is_answered_by_the_successor),
		TEST(a_request_that_kills_every_worker_is_answered_eio),
		TEST(a_request_that_waits_is_not_to_blame),
		TEST(the_last_places_are_not_for_those_that_may_wait),
		TEST(what_wants_no_answer_is_not_kept),
		TEST(what_was_written_is_wiped_with_its_answer),
		TEST(when_there_is_no_room_nothing_is_read_until_something_is_answered),
		TEST(a_memory_of_another_layout_is_refused),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
