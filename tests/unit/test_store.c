/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"

#define TOKEN_VALUE "eyJhbGciOiJub25lIn0.c2VjcmV0LXRva2VuLXZhbHVl.QUJDREVG"
#define REFRESH_VALUE "the-refresh-token-that-nobody-may-see"

/* A directory of its own for each test, and a store's place in it. */
struct place {
	char top[64], dir[80];
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	snprintf(p->top, sizeof(p->top), "/tmp/test_store.XXXXXX");
	if (!mkdtemp(p->top))
		return -1;
	snprintf(p->dir, sizeof(p->dir), "%s/a/state", p->top);
	unsetenv("CREDENTIALS_DIRECTORY");
	*state = p;
	return sodium_init() < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	umount2(p->dir, MNT_DETACH);
	nftw(p->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

static const char *path_of(const struct place *p, const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	return path;
}

static struct store *open_store(const struct place *p)
{
	struct store *store = NULL;
	struct sentence why = { "" };
	int r = store_open(p->dir, &why, &store);

	if (r < 0)
		fail_msg("store_open: %s: %s", strerror(-r), why.text);
	return store;
}

/* Opening fails with an error and a sentence. */
static void refuse_store(const struct place *p, int error, const char *words)
{
	struct store *store = NULL;
	struct sentence why = { "" };

	assert_int_equal(store_open(p->dir, &why, &store), error);
	assert_null(store);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
}

struct bytes {
	char *at;
	size_t len;
};

static struct bytes read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	struct bytes b = { NULL, 0 };

	if (!f)
		return b;
	b.at = malloc(4u << 20);
	assert_non_null(b.at);
	b.len = fread(b.at, 1, 4u << 20, f);
	fclose(f);
	return b;
}

static void write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
	int fd;

	unlink(path); /* it may be read-only */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_unchanged(const char *path, const struct bytes *before)
{
	struct bytes now = read_file(path);

	assert_int_equal(now.len, before->len);
	assert_memory_equal(now.at, before->at, before->len);
	free(now.at);
}

static struct token *make_token(const char *value)
{
	const struct token_facts facts = {
		.lifetime_ms = 300000,
		.token_type = "Bearer",
		.scope = "openid storage.read:/",
		.id = "id-7",
		.details = "{\"roles\":[\"Admin\"]}",
	};
	struct token *t = NULL;

	assert_int_equal(token_new(value, strlen(value), &facts, NULL, &t), 0);
	return t;
}

static void note_result(void *ctx, int error)
{
	*(int *)ctx = error;
}

static int commit(struct store_change *c)
{
	int result = 1;

	store_commit(c, note_result, &result);
	assert_int_not_equal(result, 1);
	return result;
}

static void put_token(struct store_change *c, uint32_t slot, uint32_t generation, const char *value)
{
	TOKEN_AUTO *token = make_token(value);

	store_put_token(c, &(struct stored_token){ .slot = slot,
						   .generation = generation,
						   .token = token,
						   .issued_wall_ms = 1700000000000,
						   .expires_wall_ms = INT64_MAX,
						   .issued_boot_ms = 5000,
						   .expires_boot_ms = 305000,
						   .boot_id = "boot-1" });
}

static void put_grant(struct store_change *c, uint32_t id, const char *value)
{
	SECRET_AUTO *secret = NULL;

	if (value)
		assert_int_equal(secret_new(value, strlen(value), &secret), 0);
	store_put_grant(c, &(struct stored_grant){ .id = id, .directory = 1, .secret = secret });
}

static void put_slot(struct store_change *c, uint32_t id, const char *name)
{
	store_put_slot(c, &(struct stored_slot){ .id = id,
						 .directory = 1,
						 .name = name,
						 .created = true,
						 .uid = 1000,
						 .gid = 4294967294u,
						 .mode = 0440,
						 .generation = 2,
						 .size = 54,
						 .grant = 1,
						 .wish = "{\"scope\":\"a b\"}",
						 .imported = true,
						 .listed = true,
						 .details = "{\"user\":\"emuser\"}",
						 .stamp = "2026-01-02" });
}

/* An intent of the slot 1 and the registration of the directory 1. */
static void put_kept(struct store_change *c)
{
	SECRET_AUTO *secret = NULL;

	assert_int_equal(secret_new(REFRESH_VALUE, strlen(REFRESH_VALUE), &secret), 0);
	store_put_intent(c, &(struct stored_intent){ 1, 2, secret });
	store_put_registration(c, &(struct stored_registration){ 1, secret });
}

/* One of each, with ids 1. */
static void fill(struct store *store)
{
	struct store_change *c = store_begin(store);

	store_put_directory(c, &(struct stored_directory){ store_new_id(store, STORE_DIRECTORY),
							   "iam", "0123abcd" });
	put_grant(c, store_new_id(store, STORE_GRANT), REFRESH_VALUE);
	put_slot(c, store_new_id(store, STORE_SLOT), "späicher");
	put_token(c, 1, 1, "older.token.value");
	put_token(c, 1, 2, TOKEN_VALUE);
	store_put_draft(c, &(struct stored_draft){ store_new_id(store, STORE_DRAFT), 1, "new", true,
						   1000, 100, 0600 });
	put_kept(c);
	assert_int_equal(commit(c), 0);
}

/* What a loading saw. */
struct seen {
	unsigned int directories, grants, empty_grants, slots, tokens, drafts, intents,
		registrations;
	uint32_t generations[8];
	char last_token[128];
	bool good;
	int stop;
};

static int see_directory(void *ctx, const struct stored_directory *d)
{
	struct seen *s = ctx;

	s->directories++;
	s->good = s->good && d->id == 1 && strcmp(d->name, "iam") == 0 &&
		  strcmp(d->identity, "0123abcd") == 0;
	return s->stop;
}

static int see_grant(void *ctx, const struct stored_grant *g)
{
	struct seen *s = ctx;

	s->grants++;
	s->empty_grants += !g->secret;
	s->good = s->good && g->directory == 1 &&
		  (!g->secret || strcmp(secret_bytes(g->secret), REFRESH_VALUE) == 0);
	return 0;
}

static int see_slot(void *ctx, const struct stored_slot *slot)
{
	struct seen *s = ctx;

	s->slots++;
	s->good = s->good && slot->directory == 1 && strcmp(slot->name, "späicher") == 0 &&
		  slot->created && slot->uid == 1000 && slot->gid == 4294967294u &&
		  slot->mode == 0440 && slot->generation == 2 && slot->size == 54 &&
		  slot->grant == 1 && strcmp(slot->wish, "{\"scope\":\"a b\"}") == 0 &&
		  slot->imported && slot->listed &&
		  strcmp(slot->details, "{\"user\":\"emuser\"}") == 0 &&
		  strcmp(slot->stamp, "2026-01-02") == 0;
	return 0;
}

static int see_token(void *ctx, const struct stored_token *t)
{
	struct seen *s = ctx;
	const struct token_facts *facts = token_facts(t->token);

	s->generations[s->tokens++ % 8] = t->generation;
	snprintf(s->last_token, sizeof(s->last_token), "%s", token_value(t->token));
	s->good = s->good && t->slot == 1 && t->issued_wall_ms == 1700000000000 &&
		  t->expires_wall_ms == INT64_MAX && t->issued_boot_ms == 5000 &&
		  t->expires_boot_ms == 305000 && strcmp(t->boot_id, "boot-1") == 0 &&
		  facts->lifetime_ms == 300000 && strcmp(facts->token_type, "Bearer") == 0 &&
		  strcmp(facts->scope, "openid storage.read:/") == 0 && !facts->audience &&
		  strcmp(facts->id, "id-7") == 0 &&
		  strcmp(facts->details, "{\"roles\":[\"Admin\"]}") == 0;
	return 0;
}

static int see_draft(void *ctx, const struct stored_draft *d)
{
	struct seen *s = ctx;

	s->drafts++;
	s->good = s->good && d->id == 1 && d->directory == 1 && strcmp(d->name, "new") == 0 &&
		  d->exclusive && d->uid == 1000 && d->gid == 100 && d->mode == 0600;
	return 0;
}

static int see_intent(void *ctx, const struct stored_intent *i)
{
	struct seen *s = ctx;

	s->intents++;
	s->good = s->good && i->slot == 1 && i->purpose == 2 &&
		  strcmp(secret_bytes(i->secret), REFRESH_VALUE) == 0;
	return 0;
}

static int see_registration(void *ctx, const struct stored_registration *r)
{
	struct seen *s = ctx;

	s->registrations++;
	s->good = s->good && r->directory == 1 &&
		  strcmp(secret_bytes(r->secret), REFRESH_VALUE) == 0;
	return 0;
}

static const struct store_visitor visitor = { see_directory, see_grant,	 see_slot,	  see_token,
					      see_draft,     see_intent, see_registration };

static struct seen look(struct store *store)
{
	struct seen s = { .good = true };
	struct sentence why = { "" };
	int r = store_load(store, &visitor, &s, &why);

	if (r != 0)
		fail_msg("store_load: %d: %s", r, why.text);
	return s;
}

static void everything_that_was_committed_comes_back(void **state)
{
	struct store *store = open_store(*state);
	struct seen s;

	fill(store);
	store_close(store);
	store = open_store(*state);
	s = look(store);
	store_close(store);
	assert_true(s.good);
	assert_int_equal(s.directories, 1);
	assert_int_equal(s.grants, 1);
	assert_int_equal(s.slots, 1);
	assert_int_equal(s.tokens, 2);
	assert_int_equal(s.drafts, 1);
	assert_int_equal(s.intents, 1);
	assert_int_equal(s.registrations, 1);
	assert_int_equal(s.generations[0], 1); /* the oldest first */
	assert_int_equal(s.generations[1], 2);
	assert_string_equal(s.last_token, TOKEN_VALUE);
}

static void put_replaces_by_id(void **state)
{
	struct store *store = open_store(*state);
	struct store_change *c;
	struct seen s;

	fill(store);
	c = store_begin(store);
	put_grant(c, 1, NULL);
	put_token(c, 1, 2, "another.value");
	assert_int_equal(commit(c), 0);
	s = look(store);
	store_close(store);
	assert_true(s.good);
	assert_int_equal(s.grants, 1);
	assert_int_equal(s.empty_grants, 1);
	assert_int_equal(s.tokens, 2);
	assert_string_equal(s.last_token, "another.value");
}

static void drop_slot_takes_its_tokens_along(void **state)
{
	struct store *store = open_store(*state);
	struct store_change *c;
	struct seen s;

	fill(store);
	c = store_begin(store);
	store_drop_tokens(c, 1, 2);
	assert_int_equal(commit(c), 0);
	s = look(store);
	assert_int_equal(s.tokens, 1);
	assert_int_equal(s.generations[0], 2);
	c = store_begin(store);
	store_drop_slot(c, 1);
	store_drop_grant(c, 1);
	store_drop_draft(c, 1);
	assert_int_equal(commit(c), 0);
	s = look(store);
	store_close(store);
	assert_int_equal(s.slots + s.tokens + s.grants + s.drafts, 0);
	assert_int_equal(s.directories, 1);
}

static void visitor_ends_the_loading(void **state)
{
	struct store *store = open_store(*state);
	struct seen s = { .stop = 42 };

	fill(store);
	assert_int_equal(store_load(store, &visitor, &s, NULL), 42);
	store_close(store);
	assert_int_equal(s.directories, 1);
	assert_int_equal(s.slots, 0);
}

static void one_bad_put_undoes_the_whole_change(void **state)
{
	struct store *store = open_store(*state);
	struct store_change *c = store_begin(store);

	put_grant(c, 1, REFRESH_VALUE);
	put_grant(c, 0, REFRESH_VALUE);
	put_slot(c, 1, "späicher");
	assert_int_equal(commit(c), -EOVERFLOW);
	assert_int_equal(look(store).grants, 0);
	fill(store); /* the next one works */
	assert_int_equal(look(store).slots, 1);
	store_close(store);
}

static void ids_are_never_used_twice(void **state)
{
	struct store *store = open_store(*state);
	struct store_change *c;

	fill(store);
	c = store_begin(store);
	store_drop_slot(c, 1);
	assert_int_equal(commit(c), 0);
	assert_int_equal(store_new_id(store, STORE_SLOT), 2);
	c = store_begin(store); /* fails, but the id is gone */
	put_grant(c, 0, NULL);
	assert_int_not_equal(commit(c), 0);
	assert_int_equal(store_new_id(store, STORE_SLOT), 3);
	assert_int_equal(commit(store_begin(store)), 0);
	store_close(store);
	store = open_store(*state);
	assert_int_equal(store_new_id(store, STORE_SLOT), 4);
	assert_int_equal(store_new_id(store, STORE_GRANT), 2);
	assert_int_equal(store_new_id(store, STORE_DIRECTORY), 2);
	assert_int_equal(store_new_id(store, STORE_DRAFT), 2);
	store_close(store);
}

static void assert_hidden(const struct place *p, const char *name, bool must_exist)
{
	struct bytes b = read_file(path_of(p, name));

	if (must_exist)
		assert_true(b.len > 0);
	if (b.at) {
		assert_null(memmem(b.at, b.len, TOKEN_VALUE, strlen(TOKEN_VALUE)));
		assert_null(memmem(b.at, b.len, REFRESH_VALUE, strlen(REFRESH_VALUE)));
	}
	free(b.at);
}

static void no_secret_stands_in_the_clear_on_disk(void **state)
{
	struct store *store = open_store(*state);
	struct bytes b;

	fill(store);
	assert_hidden(*state, "tokenfs.db", true);
	assert_hidden(*state, "tokenfs.db-wal", true);
	assert_hidden(*state, "tokenfs.db-shm", true);
	b = read_file(path_of(*state, "tokenfs.db-wal")); /* that this search would find one */
	assert_non_null(memmem(b.at, b.len, "storage.read:/", 14));
	free(b.at);
	store_close(store);
	assert_hidden(*state, "tokenfs.db", true);
	assert_hidden(*state, "tokenfs.db-wal", false);
}

static void assert_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void files_are_for_the_owner_alone(void **state)
{
	const struct place *p = *state;
	mode_t old = umask(0);
	struct store *store = open_store(p);

	fill(store);
	assert_mode(p->dir, 0700);
	assert_mode(path_of(p, "tokenfs.db"), 0600);
	assert_mode(path_of(p, "tokenfs.db-wal"), 0600);
	assert_mode(path_of(p, "tokenfs.db-shm"), 0600);
	assert_mode(path_of(p, "key"), 0600);
	assert_mode(path_of(p, "lock"), 0600);
	store_close(store);
	umask(old);
}

static void directory_that_others_can_write_is_refused(void **state)
{
	const struct place *p = *state;

	store_close(open_store(p));
	assert_int_equal(chmod(p->dir, 0770), 0);
	refuse_store(p, -EACCES, "others can write");
}

static void second_tokenfs_is_kept_out(void **state)
{
	struct store *store = open_store(*state);

	refuse_store(*state, -EBUSY, "another tokenfs");
	store_close(store);
	store_close(open_store(*state));
}

/* A child does something with the store, says so, and waits to be killed. */
static pid_t start_child(const struct place *p, void (*act)(struct store *, int fd), int *ret_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *store = NULL;

		close(fds[0]);
		if (store_open(p->dir, NULL, &store) == 0)
			act(store, fds[1]);
		pause();
		_exit(0);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static void kill_child_at_its_word(pid_t pid, int fd)
{
	char c;

	alarm(60); /* a child that never speaks fails the test */
	assert_int_equal(read(fd, &c, 1), 1);
	alarm(0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(fd);
}

static void say(void *ctx, int error)
{
	if (error == 0 && write(*(int *)ctx, "x", 1) != 1)
		_exit(1);
}

static void act_commit(struct store *store, int fd)
{
	struct store_change *c;

	fill(store);
	c = store_begin(store);
	put_grant(c, store_new_id(store, STORE_GRANT), NULL);
	store_commit(c, say, &fd);
}

static void act_put_only(struct store *store, int fd)
{
	struct store_change *c;

	fill(store);
	c = store_begin(store);
	put_grant(c, store_new_id(store, STORE_GRANT), NULL);
	store_drop_slot(c, 1);
	say(&fd, 0);
	pause();
}

static void killed_after_commit_everything_is_there(void **state)
{
	struct store *store;
	struct seen s;
	int fd;
	pid_t pid = start_child(*state, act_commit, &fd);

	kill_child_at_its_word(pid, fd);
	store = open_store(*state);
	s = look(store);
	store_close(store);
	assert_true(s.good);
	assert_int_equal(s.grants, 2);
	assert_int_equal(s.tokens, 2);
}

static void killed_before_commit_nothing_of_it_happened(void **state)
{
	struct store *store;
	struct seen s;
	int fd;
	pid_t pid = start_child(*state, act_put_only, &fd);

	kill_child_at_its_word(pid, fd);
	store = open_store(*state);
	s = look(store);
	store_close(store);
	assert_true(s.good);
	assert_int_equal(s.grants, 1);
	assert_int_equal(s.slots, 1);
	assert_int_equal(s.tokens, 2);
}

static void missing_key_is_not_made_anew(void **state)
{
	struct bytes before;

	store_close(open_store(*state));
	before = read_file(path_of(*state, "tokenfs.db"));
	assert_int_equal(unlink(path_of(*state, "key")), 0);
	refuse_store(*state, -EKEYREJECTED, "bring the key back");
	assert_int_not_equal(access(path_of(*state, "key"), F_OK), 0);
	assert_unchanged(path_of(*state, "tokenfs.db"), &before);
	free(before.at);
}

static void wrong_key_is_refused(void **state)
{
	unsigned char other[32];
	struct bytes before;

	store_close(open_store(*state));
	before = read_file(path_of(*state, "tokenfs.db"));
	randombytes_buf(other, sizeof(other));
	write_file(path_of(*state, "key"), other, sizeof(other), 0600);
	refuse_store(*state, -EKEYREJECTED, "does not open the store");
	write_file(path_of(*state, "key"), other, 31, 0600);
	refuse_store(*state, -EKEYREJECTED, "is not a key");
	assert_unchanged(path_of(*state, "tokenfs.db"), &before);
	free(before.at);
}

static void key_that_others_can_read_is_refused(void **state)
{
	store_close(open_store(*state));
	assert_int_equal(chmod(path_of(*state, "key"), 0640), 0);
	refuse_store(*state, -EACCES, "others can read the key");
	assert_int_equal(chmod(path_of(*state, "key"), 0600), 0);
	store_close(open_store(*state));
}

static void key_comes_from_the_systemd_credential(void **state)
{
	const struct place *p = *state;
	unsigned char key[32];
	char hex[65], path[128];
	struct store *store;

	randombytes_buf(key, sizeof(key));
	snprintf(path, sizeof(path), "%s/tokenfs.key", p->top);
	write_file(path, key, sizeof(key), 0440);
	setenv("CREDENTIALS_DIRECTORY", p->top, 1);
	store = open_store(p);
	fill(store);
	store_close(store);
	assert_int_not_equal(access(path_of(p, "key"), F_OK), 0);
	sodium_bin2hex(hex, sizeof(hex), key, sizeof(key));
	write_file(path, hex, 64, 0440);
	store = open_store(p);
	assert_true(look(store).good);
	store_close(store);
	unsetenv("CREDENTIALS_DIRECTORY");
	refuse_store(p, -EKEYREJECTED, "its key");
}

static void refuse_content(const struct place *p, const void *bytes, size_t len)
{
	struct bytes before = { malloc(len + 1), len };

	assert_non_null(before.at);
	memcpy(before.at, bytes, len);
	write_file(path_of(p, "tokenfs.db"), bytes, len, 0600);
	refuse_store(p, -EUCLEAN, "tokenfs.db");
	assert_unchanged(path_of(p, "tokenfs.db"), &before);
	free(before.at);
}

static void damaged_file_is_refused_and_left_as_it_is(void **state)
{
	struct store *store = open_store(*state);
	struct bytes good;
	char *bad;

	fill(store);
	store_close(store);
	good = read_file(path_of(*state, "tokenfs.db"));
	assert_true(good.len > 8192);
	bad = malloc(good.len);
	assert_non_null(bad);
	refuse_content(*state, "", 0);
	refuse_content(*state, "not a database, but somebody's notes", 36);
	refuse_content(*state, good.at, 4096);
	refuse_content(*state, good.at, good.len - 4096);
	memcpy(bad, good.at, good.len);
	memset(bad + 4096, 0x5a, 4096);
	refuse_content(*state, bad, good.len);
	memcpy(bad, good.at, good.len);
	memset(bad + 100, 0xff, 3900);
	refuse_content(*state, bad, good.len);
	write_file(path_of(*state, "tokenfs.db"), good.at, good.len, 0600);
	store = open_store(*state);
	assert_true(look(store).good);
	store_close(store);
	free(bad);
	free(good.at);
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void database_of_another_program_is_refused(void **state)
{
	const struct place *p = *state;
	struct bytes before;

	store_close(open_store(p));
	assert_int_equal(unlink(path_of(p, "tokenfs.db")), 0);
	run_sql(path_of(p, "tokenfs.db"), "CREATE TABLE recipes (name TEXT)");
	before = read_file(path_of(p, "tokenfs.db"));
	refuse_store(p, -EUCLEAN, "is not a store of tokenfs");
	assert_unchanged(path_of(p, "tokenfs.db"), &before);
	free(before.at);
}

static void store_of_a_newer_version_is_refused(void **state)
{
	struct bytes before;

	store_close(open_store(*state));
	run_sql(path_of(*state, "tokenfs.db"), "PRAGMA user_version = 1000000");
	before = read_file(path_of(*state, "tokenfs.db"));
	refuse_store(*state, -ENOTSUP, "newer tokenfs");
	assert_unchanged(path_of(*state, "tokenfs.db"), &before);
	free(before.at);
}

/* Version 1 knew neither listings nor intents. */
static struct store *open_old_store(struct place *p)
{
	struct store *store = open_store(p);

	fill(store);
	store_close(store);
	run_sql(path_of(p, "tokenfs.db"),
		"ALTER TABLE slot DROP COLUMN listed; ALTER TABLE slot DROP COLUMN details;"
		"ALTER TABLE slot DROP COLUMN stamp; DROP TABLE intent; DROP TABLE registration;"
		"PRAGMA user_version = 1");
	return open_store(p);
}

static void put_of_this_version(struct store *store)
{
	struct store_change *c = store_begin(store);

	put_slot(c, 1, "späicher");
	put_kept(c);
	assert_int_equal(commit(c), 0);
}

static void store_of_an_older_version_is_brought_up_to_date(void **state)
{
	struct store *store = open_old_store(*state);
	struct sentence why;
	struct seen s;

	put_of_this_version(store);
	assert_int_equal(store_accept(store, &why), 0);
	put_of_this_version(store);
	assert_int_equal(store_accept(store, &why), 0);
	store_close(store);
	store = open_store(*state);
	s = look(store);
	store_close(store);
	assert_true(s.good);
	assert_int_equal(s.tokens, 2);
	assert_int_equal(s.intents, 1);
}

/* The program that it is of can go on with it. */
static void store_of_an_older_version_is_as_it_was_until_it_is_accepted(void **state)
{
	struct store *store = open_old_store(*state);

	put_of_this_version(store);
	store_close(store);
	/* Statements of version 1, which would fail in another one. */
	run_sql(path_of(*state, "tokenfs.db"), "ALTER TABLE slot ADD COLUMN listed INTEGER;"
					       "ALTER TABLE slot DROP COLUMN listed;"
					       "CREATE TABLE intent (slot INTEGER);"
					       "DROP TABLE intent");
}

static void a_change_that_fails_before_it_is_accepted_is_undone_alone(void **state)
{
	struct store *store = open_old_store(*state);
	struct sentence why;
	struct store_change *c;
	struct seen s;

	put_of_this_version(store);
	c = store_begin(store);
	store_drop_slot(c, 1);
	put_slot(c, 0, "no id");
	assert_int_not_equal(commit(c), 0);
	assert_int_equal(store_accept(store, &why), 0);
	s = look(store);
	store_close(store);
	assert_int_equal(s.tokens, 2);
	assert_int_equal(s.intents, 1);
}

static unsigned int syncs;

/* In the place of the C library's, for SQLite too. */
int fdatasync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

static void what_only_outlives_the_process_does_not_wait_for_the_disk(void **state)
{
	struct store *store = open_store(*state);
	struct store_change *c;
	unsigned int before;
	struct seen s;

	fill(store);
	before = syncs;
	c = store_begin_unsynced(store);
	put_slot(c, 1, "späicher");
	put_kept(c);
	assert_int_equal(commit(c), 0);
	assert_int_equal(syncs, before);
	s = look(store);
	assert_int_equal(s.intents, 1);
	c = store_begin(store);
	put_slot(c, 1, "späicher");
	assert_int_equal(commit(c), 0);
	assert_true(syncs > before);
	store_close(store);
}

static void a_slot_takes_its_intent_along(void **state)
{
	struct store *store = open_store(*state);
	struct store_change *c;

	fill(store);
	c = store_begin(store);
	store_drop_slot(c, 1);
	assert_int_equal(commit(c), 0);
	assert_int_equal(look(store).intents, 0);
	store_close(store);
}

static void log_without_its_database_is_refused(void **state)
{
	store_close(open_store(*state));
	write_file(path_of(*state, "tokenfs.db-wal"), "x", 1, 0600);
	assert_int_equal(unlink(path_of(*state, "tokenfs.db")), 0);
	refuse_store(*state, -EUCLEAN, "is gone");
	assert_int_not_equal(access(path_of(*state, "tokenfs.db"), F_OK), 0);
}

static void half_made_store_is_made_anew(void **state)
{
	struct store *store;

	store_close(open_store(*state));
	assert_int_equal(unlink(path_of(*state, "tokenfs.db")), 0);
	write_file(path_of(*state, "tokenfs.db.new"), "SQLite", 6, 0600);
	write_file(path_of(*state, "key.new"), "half", 4, 0600);
	store = open_store(*state);
	fill(store);
	assert_true(look(store).good);
	store_close(store);
	assert_int_not_equal(access(path_of(*state, "tokenfs.db.new"), F_OK), 0);
}

static void swapped_rows_do_not_open(void **state)
{
	struct store *store = open_store(*state);
	struct seen s = { .good = true };
	struct sentence why = { "" };

	fill(store);
	store_close(store);
	run_sql(path_of(*state, "tokenfs.db"),
		"UPDATE token SET secret = (SELECT t.secret FROM token t WHERE t.generation = 1)");
	store = open_store(*state);
	assert_int_equal(store_load(store, &visitor, &s, &why), -EUCLEAN);
	assert_non_null(strstr(why.text, "token 1"));
	store_close(store);
}

static int commit_large(struct store *store, uint32_t generation)
{
	struct store_change *c = store_begin(store);
	char value[32768];

	memset(value, 'A', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	put_token(c, 1, generation, value);
	return commit(c);
}

static void fill_disk(const char *path)
{
	static const char block[4096] = { 1 };
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void full_disk_is_enospc_and_loses_nothing(void **state)
{
	const struct place *p = *state;
	struct store *store;

	store_close(open_store(p));
	nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(p->dir, 0700), 0);
	if (mount("tmpfs", p->dir, "tmpfs", 0, "size=1m,mode=0700") < 0) {
		print_message("mounting is not permitted here\n");
		skip();
	}
	store = open_store(p);
	fill(store);
	fill_disk(path_of(p, "filler"));
	assert_int_equal(commit_large(store, 3), -ENOSPC);
	assert_int_equal(look(store).tokens, 2);
	store_close(store);
	store = open_store(p);
	assert_true(look(store).good);
	assert_int_equal(look(store).tokens, 2);
	assert_int_equal(unlink(path_of(p, "filler")), 0);
	assert_int_equal(commit_large(store, 3), 0);
	assert_int_equal(look(store).tokens, 3);
	store_close(store);
}

static void first_start_on_a_full_disk_is_enospc_and_leaves_no_half_store(void **state)
{
	const struct place *p = *state;

	store_close(open_store(p));
	nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(p->dir, 0700), 0);
	if (mount("tmpfs", p->dir, "tmpfs", 0, "size=1m,mode=0700") < 0) {
		print_message("mounting is not permitted here\n");
		skip();
	}
	fill_disk(path_of(p, "filler"));
	refuse_store(p, -ENOSPC, "cannot make");
	assert_int_not_equal(access(path_of(p, "tokenfs.db"), F_OK), 0);
	assert_int_equal(unlink(path_of(p, "filler")), 0);
	store_close(open_store(p));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_that_was_committed_comes_back),
		TEST(put_replaces_by_id),
		TEST(drop_slot_takes_its_tokens_along),
		TEST(visitor_ends_the_loading),
		TEST(one_bad_put_undoes_the_whole_change),
		TEST(ids_are_never_used_twice),
		TEST(no_secret_stands_in_the_clear_on_disk),
		TEST(files_are_for_the_owner_alone),
		TEST(directory_that_others_can_write_is_refused),
		TEST(second_tokenfs_is_kept_out),
		TEST(killed_after_commit_everything_is_there),
		TEST(killed_before_commit_nothing_of_it_happened),
		TEST(missing_key_is_not_made_anew),
		TEST(wrong_key_is_refused),
		TEST(key_that_others_can_read_is_refused),
		TEST(key_comes_from_the_systemd_credential),
		TEST(damaged_file_is_refused_and_left_as_it_is),
		TEST(database_of_another_program_is_refused),
		TEST(store_of_a_newer_version_is_refused),
		TEST(store_of_an_older_version_is_brought_up_to_date),
		TEST(store_of_an_older_version_is_as_it_was_until_it_is_accepted),
		TEST(a_change_that_fails_before_it_is_accepted_is_undone_alone),
		TEST(what_only_outlives_the_process_does_not_wait_for_the_disk),
		TEST(a_slot_takes_its_intent_along),
		TEST(log_without_its_database_is_refused),
		TEST(half_made_store_is_made_anew),
		TEST(swapped_rows_do_not_open),
		TEST(full_disk_is_enospc_and_loses_nothing),
		TEST(first_start_on_a_full_disk_is_enospc_and_leaves_no_half_store),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
