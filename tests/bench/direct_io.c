/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct_io: what most FUSE filesystems do, as the measure to compare with. It serves one file,
 * `token`, with direct_io: every open, read and release is a request.
 *
 *	bench-direct-io MOUNTPOINT FILE		serves the bytes of FILE; SIGTERM unmounts
 */
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fuse_lowlevel.h>

#define TOKEN_INODE 2
#define TOKEN_NAME "token"
#define TOKEN_MAX 65536

struct served {
	char bytes[TOKEN_MAX];
	size_t len;
};

static const struct served *served_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static int fill_attributes(const struct served *served, fuse_ino_t ino, struct stat *ret)
{
	if (ino != FUSE_ROOT_ID && ino != TOKEN_INODE)
		return ENOENT;
	*ret = (struct stat){ .st_ino = ino, .st_nlink = 1, .st_mode = S_IFDIR | 0755 };
	if (ino == TOKEN_INODE) {
		ret->st_mode = S_IFREG | 0444;
		ret->st_size = (off_t)served->len;
	}
	return 0;
}

static void serve_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = TOKEN_INODE, .attr_timeout = 1, .entry_timeout = 1 };

	if (parent != FUSE_ROOT_ID || strcmp(name, TOKEN_NAME)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_attributes(served_of(req), TOKEN_INODE, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void serve_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct stat attributes;
	int r = fill_attributes(served_of(req), ino, &attributes);

	(void)file;
	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_attr(req, &attributes, 1);
}

static void serve_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	if (ino != TOKEN_INODE) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	file->direct_io = 1;
	fuse_reply_open(req, file);
}

static void serve_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *file)
{
	const struct served *served = served_of(req);
	size_t at = (size_t)offset;

	(void)ino;
	(void)file;
	if (at > served->len)
		at = served->len;
	if (size > served->len - at)
		size = served->len - at;
	fuse_reply_buf(req, served->bytes + at, size);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = serve_lookup,
	.getattr = serve_getattr,
	.open = serve_open,
	.read = serve_read,
};

static int load(const char *path, struct served *served)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, served->bytes, sizeof(served->bytes));
	close(fd);
	if (n <= 0)
		return n ? -EIO : -ENODATA;
	served->len = (size_t)n;
	return 0;
}

static int serve(struct fuse_session *session, const char *mountpoint)
{
	int r;

	if (fuse_set_signal_handlers(session))
		return 1;
	r = fuse_session_mount(session, mountpoint);
	if (!r) {
		r = fuse_session_loop(session);
		fuse_session_unmount(session);
	}
	fuse_remove_signal_handlers(session);
	return r < 0;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct served served = { .len = 0 };
	struct fuse_session *session;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: bench-direct-io MOUNTPOINT FILE\n");
		return 2;
	}
	r = load(argv[2], &served);
	if (r) {
		fprintf(stderr, "bench-direct-io: %s: %s\n", argv[2], strerror(-r));
		return 1;
	}
	session = fuse_session_new(&args, &operations, sizeof(operations), &served);
	if (!session)
		return 1;
	r = serve(session, argv[1]);
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return r;
}
