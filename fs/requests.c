/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sodium.h>

#include "redirect.h"

#define LAYOUT 3
#define MAGIC 0x746f6b656e667301u

/* What the kernel may send at once: a write of LIMIT_DOCUMENT and what goes before it. */
#define INBOX (136u << 10)
#define SMALL_SIZE 1024u
#define SMALLS 4096u
#define LARGES 32u

/*
 * A request over which a worker died counts ten, one that only waited meanwhile counts one. At twenty
 * (two workers died over it) it is answered EIO.
 */
#define BLAME 10
#define BLAME_MAX 20

/* Places that what may wait long must leave free. */
#define RESERVE 64

struct small {
	uint32_t blame, len; /* len is set last, and cleared first: 0 is no request */
	unsigned char bytes[SMALL_SIZE - 8];
};

struct large {
	uint32_t blame, len;
	unsigned char bytes[INBOX];
};

struct memory {
	uint64_t magic;
	uint32_t layout, init_len;
	uint32_t init_answered, pad;
	uint64_t current; /* `unique` of what is being served: to blame if the worker dies */
	unsigned char init[1024];
	struct redirects redirects;
	/* Read into here; a header that is not zero is a request that no place has been found for yet. */
	unsigned char inbox[INBOX];
	struct small small[SMALLS];
	struct large large[LARGES];
};

struct requests {
	struct memory *memory;
	uint64_t small[SMALLS], large[LARGES]; /* `unique` of what is kept; 0: free */
	unsigned int smalls, larges;           /* how many are kept */
	unsigned int small_top;                /* no place at or above it is taken */
	unsigned int left_small, left_large;   /* how far the replay has come */
	bool replays, replayed, left_init, left_inbox;
	uint64_t suspect; /* what the predecessor died over */
	uint64_t muted; /* `unique` of the replayed FUSE_INIT */
};

int requests_create(int *ret_fd)
{
	int fd = memfd_create("tokenfs-requests", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct memory))) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static uint64_t unique_of(const unsigned char *bytes)
{
	struct fuse_in_header head;

	memcpy(&head, bytes, sizeof head);
	return head.unique;
}

static uint32_t opcode_of(const unsigned char *bytes)
{
	struct fuse_in_header head;

	memcpy(&head, bytes, sizeof head);
	return head.opcode;
}

static uint32_t len_of(const unsigned char *bytes)
{
	struct fuse_in_header head;

	memcpy(&head, bytes, sizeof head);
	return head.len;
}

/* What a predecessor left: found once, at the start. */
static void find_left(struct requests *r)
{
	struct memory *m = r->memory;

	for (unsigned int i = 0; i < SMALLS; i++) {
		if (!m->small[i].len)
			continue;
		r->small[i] = unique_of(m->small[i].bytes);
		r->smalls++;
		r->small_top = i + 1;
	}
	for (unsigned int i = 0; i < LARGES; i++) {
		if (!m->large[i].len)
			continue;
		r->large[i] = unique_of(m->large[i].bytes);
		r->larges++;
	}
	r->left_init = m->init_len != 0;
	r->left_inbox = len_of(m->inbox) != 0;
	r->replays = true;
	r->suspect = m->current;
	if (r->left_init && m->init_answered)
		r->muted = unique_of(m->init);
}

int requests_map(int memory_fd, struct requests **ret)
{
	struct requests *r = calloc(1, sizeof *r);
	void *at;

	if (!r)
		return -ENOMEM;
	at = mmap(NULL, sizeof(struct memory), PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	if (at == MAP_FAILED) {
		free(r);
		return -ENOMEM;
	}
	madvise(at, sizeof(struct memory), MADV_DONTDUMP);
	r->memory = at;
	if (!r->memory->magic) {
		r->memory->layout = LAYOUT;
		r->memory->magic = MAGIC;
	}
	if (r->memory->magic != MAGIC || r->memory->layout != LAYOUT) {
		requests_unmap(r);
		return -EPROTO;
	}
	find_left(r);
	*ret = r;
	return 0;
}

struct requests *requests_unmap(struct requests *r)
{
	if (r) {
		munmap(r->memory, sizeof(struct memory));
		free(r);
	}
	return NULL;
}

struct redirects *requests_redirects(struct requests *r)
{
	return &r->memory->redirects;
}

bool requests_inherited(const struct requests *r)
{
	return r->memory->init_len != 0;
}

bool requests_left(const struct requests *r)
{
	return r->replays;
}

bool requests_is_replay(const struct requests *r)
{
	return r->replayed;
}

bool requests_full(const struct requests *r)
{
	return r->smalls == SMALLS || r->larges == LARGES;
}

static ssize_t too_short(void)
{
	errno = EINVAL;
	return -1;
}

static void answer(int fuse_fd, uint64_t unique, int error)
{
	struct fuse_out_header out = { .len = sizeof out, .error = error, .unique = unique };
	ssize_t n = write(fuse_fd, &out, sizeof out);

	(void)n;
}

static bool is_kept(const struct requests *r, uint64_t unique)
{
	for (unsigned int i = 0; i < r->small_top; i++)
		if (r->small[i] == unique)
			return true;
	for (unsigned int i = 0; i < LARGES; i++)
		if (r->large[i] == unique)
			return true;
	return false;
}

static void wipe_small(struct requests *r, unsigned int i)
{
	struct small *s = &r->memory->small[i];
	uint32_t len = s->len;

	s->len = 0;
	sodium_memzero(s->bytes, len);
	s->blame = 0;
	r->small[i] = 0;
	r->smalls--;
	while (r->small_top && !r->small[r->small_top - 1])
		r->small_top--;
}

static void wipe_large(struct requests *r, unsigned int i)
{
	struct large *l = &r->memory->large[i];
	uint32_t len = l->len;

	l->len = 0;
	sodium_memzero(l->bytes, len);
	l->blame = 0;
	r->large[i] = 0;
	r->larges--;
}

static void keep_small(struct requests *r, const unsigned char *bytes, uint32_t len)
{
	unsigned int i = 0;
	struct small *s;

	while (r->small[i])
		i++;
	s = &r->memory->small[i];
	memcpy(s->bytes, bytes, len);
	s->blame = 0;
	__atomic_store_n(&s->len, len, __ATOMIC_RELEASE);
	r->small[i] = unique_of(bytes);
	r->smalls++;
	if (i >= r->small_top)
		r->small_top = i + 1;
}

static void keep_large(struct requests *r, const unsigned char *bytes, uint32_t len)
{
	unsigned int i = 0;
	struct large *l;

	while (r->large[i])
		i++;
	l = &r->memory->large[i];
	memcpy(l->bytes, bytes, len);
	l->blame = 0;
	__atomic_store_n(&l->len, len, __ATOMIC_RELEASE);
	r->large[i] = unique_of(bytes);
	r->larges++;
}

/* Those that get no answer need no place. */
static bool wants_answer(uint32_t opcode)
{
	return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT;
}

/* May wait for a server: such must not take the last places. Removals see to it themselves. */
static bool may_wait(uint32_t opcode)
{
	return opcode == FUSE_OPEN || opcode == FUSE_WRITE || opcode == FUSE_CREATE;
}

bool requests_crowded(const struct requests *r)
{
	return r->smalls + RESERVE >= SMALLS;
}

static bool is_crowded(const struct requests *r, const unsigned char *bytes, uint32_t len)
{
	if (!may_wait(opcode_of(bytes)))
		return false;
	return len <= sizeof r->memory->small[0].bytes ? requests_crowded(r)
						       : r->larges + 1 >= LARGES;
}

/* From the inbox to its place, and to the reader. */
static ssize_t take_inbox(struct requests *r, void *buf, size_t size, uint32_t len)
{
	struct memory *m = r->memory;

	if (len > size || len > INBOX)
		return too_short();
	memcpy(buf, m->inbox, len);
	if (opcode_of(m->inbox) == FUSE_INIT && len <= sizeof m->init) {
		memcpy(m->init, m->inbox, len);
		m->init_len = len;
	} else if (wants_answer(opcode_of(m->inbox)) && !is_kept(r, unique_of(m->inbox))) {
		if (len <= sizeof m->small[0].bytes)
			keep_small(r, m->inbox, len);
		else
			keep_large(r, m->inbox, len);
	}
	sodium_memzero(m->inbox, len);
	return (ssize_t)len;
}

/* Whether the next worker takes it on, or nobody ever again. */
static bool take_on(const struct requests *r, uint32_t *blame, int fuse_fd, uint64_t unique)
{
	*blame += unique == r->suspect ? BLAME : 1;
	if (*blame < BLAME_MAX)
		return true;
	answer(fuse_fd, unique, -EIO);
	return false;
}

static ssize_t next_left(struct requests *r, int fuse_fd, void *buf, size_t size)
{
	struct memory *m = r->memory;

	while (r->left_small < r->small_top) {
		unsigned int i = r->left_small++;

		if (!r->small[i])
			continue;
		if (take_on(r, &m->small[i].blame, fuse_fd, r->small[i])) {
			memcpy(buf, m->small[i].bytes, m->small[i].len);
			return (ssize_t)m->small[i].len;
		}
		wipe_small(r, i);
	}
	while (r->left_large < LARGES) {
		unsigned int i = r->left_large++;

		if (!r->large[i])
			continue;
		if (m->large[i].len <= size && take_on(r, &m->large[i].blame, fuse_fd, r->large[i])) {
			memcpy(buf, m->large[i].bytes, m->large[i].len);
			return (ssize_t)m->large[i].len;
		}
		wipe_large(r, i);
	}
	errno = EAGAIN;
	return -1;
}

static ssize_t read_left(struct requests *r, int fuse_fd, void *buf, size_t size)
{
	struct memory *m = r->memory;
	ssize_t n;

	if (r->left_init) {
		r->left_init = false;
		memcpy(buf, m->init, m->init_len);
		return (ssize_t)m->init_len;
	}
	n = next_left(r, fuse_fd, buf, size);
	if (n >= 0 || !r->left_inbox)
		return n;
	/* Last, so that it gets a place that the replay has passed. */
	r->left_inbox = false;
	if (!is_kept(r, unique_of(m->inbox)))
		return take_inbox(r, buf, size, len_of(m->inbox));
	sodium_memzero(m->inbox, INBOX);
	errno = EAGAIN;
	return -1;
}

static ssize_t read_next(struct requests *r, int fuse_fd, void *buf, size_t size)
{
	ssize_t n;

	r->replayed = r->replays;
	if (r->replays) {
		n = read_left(r, fuse_fd, buf, size);
		if (n >= 0)
			return n;
		r->replays = r->replayed = false;
	}
	if (requests_full(r)) {
		errno = EAGAIN;
		return -1;
	}
	while ((n = read(fuse_fd, r->memory->inbox, INBOX)) > 0) {
		if (!is_crowded(r, r->memory->inbox, (uint32_t)n))
			break;
		answer(fuse_fd, unique_of(r->memory->inbox), -EAGAIN);
		sodium_memzero(r->memory->inbox, (size_t)n);
	}
	return n <= 0 ? n : take_inbox(r, buf, size, (uint32_t)n);
}

ssize_t requests_read(struct requests *r, int fuse_fd, void *buf, size_t size)
{
	ssize_t n;

	r->memory->current = 0;
	n = read_next(r, fuse_fd, buf, size);
	if (n > 0)
		r->memory->current = unique_of(buf);
	return n;
}

static void answered(struct requests *r, uint64_t unique)
{
	for (unsigned int i = 0; i < r->small_top; i++) {
		if (r->small[i] != unique)
			continue;
		wipe_small(r, i);
		return;
	}
	for (unsigned int i = 0; r->larges && i < LARGES; i++)
		if (r->large[i] == unique)
			wipe_large(r, i);
}

ssize_t requests_writev(struct requests *r, int fuse_fd, struct iovec *parts, int n)
{
	struct fuse_out_header head;
	ssize_t written;

	memcpy(&head, parts[0].iov_base, sizeof head);
	if (r->muted && head.unique == r->muted) {
		r->muted = 0;
		return (ssize_t)head.len;
	}
	written = writev(fuse_fd, parts, n);
	if (head.unique == unique_of(r->memory->init))
		r->memory->init_answered = 1;
	else if (head.unique)
		answered(r, head.unique);
	return written;
}
