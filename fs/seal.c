/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_default.h"
#include "seal.h"

#define KEY_SIZE crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ROW_SIZE 64u

struct seal {
	unsigned char *key; /* guarded memory */
	char place[PATH_MAX];
};

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define FD_AUTO __attribute__((cleanup(fd_close))) int

struct seal *seal_free(struct seal *s)
{
	if (s)
		sodium_free(s->key);
	free(s);
	return NULL;
}

const char *seal_place(const struct seal *s)
{
	return s->place;
}

void seal_bytes_finish(struct seal_bytes *b)
{
	if (b->bytes)
		sodium_memzero(b->bytes, b->len);
	free(b->bytes);
	*b = (struct seal_bytes){ 0 };
}

/* Reads at most `size` bytes, all that there are; the count or -errno. */
static ssize_t read_all(int fd, unsigned char *bytes, size_t size)
{
	size_t have = 0;
	ssize_t n;

	while (have < size) {
		n = TEMP_FAILURE_RETRY(read(fd, bytes + have, size - have));
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* 32 bytes, or 64 hex digits and perhaps a newline. */
static bool parse_key(const unsigned char *text, size_t len, unsigned char key[static KEY_SIZE])
{
	size_t got = 0;

	if (len == KEY_SIZE) {
		memcpy(key, text, KEY_SIZE);
		return true;
	}
	if (len == 2 * KEY_SIZE + 1 && text[len - 1] == '\n')
		len--;
	return len == 2 * KEY_SIZE &&
	       sodium_hex2bin(key, KEY_SIZE, (const char *)text, len, NULL, &got, NULL) == 0 &&
	       got == KEY_SIZE;
}

static int read_key(struct seal *s, int fd, struct sentence *why)
{
	unsigned char text[2 * KEY_SIZE + 2];
	ssize_t n = read_all(fd, text, sizeof(text));
	bool good = n > 0 && parse_key(text, (size_t)n, s->key);

	sodium_memzero(text, sizeof(text));
	if (n < 0) {
		sentence_set(why, "cannot read the key %s: %s", s->place, strerror((int)-n));
		return (int)n;
	}
	if (!good) {
		sentence_set(why,
			     "%s is not a key: 32 bytes or 64 hexadecimal digits are wanted; bring "
			     "back the one that the store was made with",
			     s->place);
		return -EKEYREJECTED;
	}
	return 0;
}

/* systemd gives credentials to the service alone, and their mode is its own business. */
static int load_credential(struct seal *s, const char *credentials, struct sentence *why)
{
	FD_AUTO fd = -1;
	int r;

	if (snprintf(s->place, sizeof(s->place), "%s/tokenfs.key", credentials) >= PATH_MAX)
		return -ENOENT;
	fd = open(s->place, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		sentence_set(why, "cannot open the key %s: %s", s->place, strerror(-r));
		return r;
	}
	return read_key(s, fd, why);
}

static int check_key_file(const struct seal *s, int fd, struct sentence *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		sentence_set(why, "the key %s is not a file", s->place);
		return -EKEYREJECTED;
	}
	if (st.st_mode & 077 || (st.st_uid != geteuid() && st.st_uid != 0)) {
		sentence_set(why, "others can read the key %s: chown and chmod 0600 it", s->place);
		return -EACCES;
	}
	return 0;
}

static int load_file(struct seal *s, struct sentence *why)
{
	FD_AUTO fd = open(s->place, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r;

	if (fd < 0) {
		r = -errno;
		sentence_set(why, "cannot open the key %s: %s", s->place, strerror(-r));
		return r;
	}
	r = check_key_file(s, fd, why);
	return r < 0 ? r : read_key(s, fd, why);
}

static int write_key(const struct seal *s, int fd)
{
	size_t done = 0;
	ssize_t n;

	while (done < KEY_SIZE) {
		n = TEMP_FAILURE_RETRY(write(fd, s->key + done, KEY_SIZE - done));
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Under a name of its own first: a key file that a crash cut short would be taken for bad. */
static int make_file(struct seal *s, const char *dir)
{
	FD_AUTO dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FD_AUTO fd = -1;
	int r;

	if (dir_fd < 0)
		return -errno;
	if (unlinkat(dir_fd, "key.new", 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir_fd, "key.new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	randombytes_buf(s->key, KEY_SIZE);
	r = write_key(s, fd);
	if (r == 0 && renameat2(dir_fd, "key.new", dir_fd, "key", RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, "key.new", 0);
	else if (fsync(dir_fd) < 0)
		r = -errno;
	return r;
}

static int load_or_make_file(struct seal *s, const char *dir, bool make, struct sentence *why)
{
	int r;

	if (snprintf(s->place, sizeof(s->place), "%s/key", dir) >= PATH_MAX) {
		sentence_set(why, "the path of the store's directory is too long");
		return -ENAMETOOLONG;
	}
	r = load_file(s, why);
	if (r != -ENOENT)
		return r;
	if (!make) {
		sentence_set(
			why,
			"the store in %s is there, but its key %s is not: bring the key back, or "
			"move the store away to begin anew",
			dir, s->place);
		return -EKEYREJECTED;
	}
	r = make_file(s, dir);
	if (r < 0)
		sentence_set(why, "cannot make the key %s: %s", s->place, strerror(-r));
	return r;
}

static int load_key(struct seal *s, const char *dir, bool make, struct sentence *why)
{
	const char *credentials = config_credentials_directory();
	int r = -ENOENT;

	if (credentials)
		r = load_credential(s, credentials, why);
	if (r == -ENOENT)
		r = load_or_make_file(s, dir, make, why);
	if (r == 0)
		sodium_mprotect_readonly(s->key);
	return r;
}

int seal_load(const char *dir, bool make, struct sentence *why, struct seal **ret)
{
	struct seal *s;
	int r;

	if (sodium_init() < 0) {
		sentence_set(why, "libsodium does not start");
		return -EIO;
	}
	s = calloc(1, sizeof(*s));
	if (s)
		s->key = sodium_malloc(KEY_SIZE);
	if (!s || !s->key) {
		sentence_set(why, "there is no memory for the key of the store");
		seal_free(s);
		return -ENOMEM;
	}
	r = load_key(s, dir, make, why);
	if (r < 0) {
		seal_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* The additional data of a box: the table's name, then id and generation, in one fixed size. */
static void row_bytes(const struct seal_row *row, unsigned char ret[static ROW_SIZE])
{
	size_t len = strnlen(row->table, ROW_SIZE - 8);

	memset(ret, 0, ROW_SIZE);
	memcpy(ret, row->table, len);
	for (unsigned int i = 0; i < 4; i++) {
		ret[ROW_SIZE - 8 + i] = (unsigned char)(row->id >> 8 * i);
		ret[ROW_SIZE - 4 + i] = (unsigned char)(row->generation >> 8 * i);
	}
}

int seal_close(const struct seal *s, const struct seal_row *row, const void *plain, size_t len,
	       struct seal_bytes *ret)
{
	unsigned char bound[ROW_SIZE];
	unsigned char *box = malloc(NONCE_SIZE + len + TAG_SIZE);

	if (!box)
		return -ENOMEM;
	row_bytes(row, bound);
	randombytes_buf(box, NONCE_SIZE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_SIZE, NULL, plain, len, bound,
						   sizeof(bound), NULL, box, s->key);
	*ret = (struct seal_bytes){ box, NONCE_SIZE + len + TAG_SIZE };
	return 0;
}

int seal_open(const struct seal *s, const struct seal_row *row, const void *box, size_t len,
	      struct seal_bytes *ret)
{
	const unsigned char *at = box;
	unsigned char bound[ROW_SIZE];
	unsigned char *plain;

	if (!at || len < NONCE_SIZE + TAG_SIZE)
		return -EBADMSG;
	plain = calloc(1, len - NONCE_SIZE - TAG_SIZE + 1);
	if (!plain)
		return -ENOMEM;
	row_bytes(row, bound);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, at + NONCE_SIZE,
						       len - NONCE_SIZE, bound, sizeof(bound), at,
						       s->key) < 0) {
		free(plain);
		return -EBADMSG;
	}
	*ret = (struct seal_bytes){ plain, len - NONCE_SIZE - TAG_SIZE };
	return 0;
}
