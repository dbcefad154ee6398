/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "config.h"
#include "config_default.h"
#include "handover.h"
#include "mountpoint.h"
#include "service.h"
#include "supervisor.h"

struct arguments {
	const char *config_path, *options, *mountpoint;
	bool foreground;
};

static int usage(void)
{
	fputs("usage: tokenfs mount [-f] [-c FILE] [-o OPTIONS] [MOUNTPOINT]\n", stderr);
	return 2;
}

/* What mount(8) says on its own account; the kernel gets it in another way, or it means nothing here. */
static bool is_generic(const char *option, size_t len)
{
	static const char *const generic[] = { "rw",	"defaults", "dev",  "nodev",   "suid",	"nosuid",
					       "exec",	"noexec",   "auto", "noauto",  "user",	"users",
					       "owner", "group",    "atime", "noatime", "_netdev", "nofail" };

	for (size_t i = 0; i < sizeof generic / sizeof *generic; i++)
		if (strlen(generic[i]) == len && !strncmp(option, generic[i], len))
			return true;
	return len > 2 && !strncmp(option, "x-", 2);
}

static bool others_allowed(const char *fuse_conf)
{
	char line[128];
	bool allowed = geteuid() == 0;
	FILE *f = allowed ? NULL : fopen(fuse_conf, "re");

	while (f && fgets(line, sizeof line, f))
		allowed = allowed || !strncmp(line, "user_allow_other", 16);
	if (f)
		fclose(f);
	return allowed;
}

/* What libfuse gets: ours, and what -o says but for what is mount(8)'s own. */
static void build_options(const struct arguments *a, const struct config *config, struct buffer *out)
{
	bool others = others_allowed("/etc/fuse.conf");

	if (settings_has(config->mount, "allow-other"))
		others = settings_yes(config->mount, "allow-other");
	buffer_text(out, "fsname=tokenfs,subtype=tokenfs,default_permissions,nosuid,nodev,noexec");
	if (others)
		buffer_text(out, ",allow_other");
	for (const char *o = a->options; o && *o; o += strcspn(o, ","), o += *o == ',') {
		size_t len = strcspn(o, ",");

		if (!len || is_generic(o, len) || (len == 11 && !strncmp(o, "allow_other", len)))
			continue;
		buffer_text(out, ",");
		buffer_append(out, o, len);
	}
	if (!others && a->options && strstr(a->options, "allow_other"))
		buffer_text(out, ",allow_other");
}

/* Waits for the byte that says that the mount answers; the child's status if it never comes. */
static int wait_until_ready(int fd, pid_t child)
{
	char byte;
	int status;

	if (read(fd, &byte, 1) == 1)
		return 0;
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

static int run_in_background(struct supervisor_plan *plan)
{
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC)) {
		perror("tokenfs: pipe");
		return 1;
	}
	pid = fork();
	if (pid < 0) {
		perror("tokenfs: fork");
		return 1;
	}
	if (pid) {
		close(ready[1]);
		return wait_until_ready(ready[0], pid);
	}
	close(ready[0]);
	setsid();
	if (chdir("/"))
		return 1;
	plan->ready_fd = ready[1];
	return supervisor_run(plan);
}

static int check_config(const struct arguments *a, struct buffer *options)
{
	BUFFER_AUTO mistakes = BUFFER_INIT(LIMIT_RENDER);
	struct config *config;
	int r = config_load(a->config_path, NULL, &mistakes, &config);

	if (r) {
		fputs(buffer_string(&mistakes), stderr);
		if (!mistakes.len)
			fprintf(stderr, "tokenfs: the configuration cannot be read: %s\n",
				strerror(-r));
		return r;
	}
	build_options(a, config, options);
	config_free(config);
	malloc_trim(0); /* the supervisor lives on: what was read is not its business */
	return buffer_error(options);
}

/* Nobody can answer there any more: its readers hear so, and its place is free. */
static void let_go(const char *place)
{
	char mountpoint[PATH_MAX];
	struct sentence why;

	service_forget();
	if (!mountpoint_resolve(place, mountpoint) && mountpoint_is_ours(mountpoint))
		mountpoint_unmount(mountpoint, true, &why);
}

/* A mount that the service manager has kept, and that is still at its place. */
static bool take_over(const char *place, char mountpoint[static PATH_MAX], struct handover *ret)
{
	int r = service_take(ret);

	if (!r && (mountpoint_resolve(place, mountpoint) || !mountpoint_is_ours(mountpoint))) {
		handover_close(ret);
		return false;
	}
	if (r == -EPROTO) {
		fputs("tokenfs: what the service manager kept is of another version: mounting anew\n",
		      stderr);
		let_go(place);
	}
	return r == 0;
}

static int run(const struct arguments *a)
{
	BUFFER_AUTO options = BUFFER_INIT(LIMIT_RENDER), place = BUFFER_INIT(PATH_MAX);
	char config_path[PATH_MAX], mountpoint[PATH_MAX];
	struct supervisor_plan plan = { .ready_fd = -1, .foreground = a->foreground };
	struct handover taken;
	struct sentence why;

	if (check_config(a, &options))
		return 1;
	if (a->mountpoint)
		buffer_text(&place, a->mountpoint);
	else
		config_default_mountpoint(&place);
	if (take_over(buffer_string(&place), mountpoint, &taken))
		plan.taken = &taken;
	else if (mountpoint_prepare(buffer_string(&place), !a->mountpoint, mountpoint, &why)) {
		fprintf(stderr, "tokenfs: %s\n", why.text);
		return 1;
	}
	if (a->config_path && !realpath(a->config_path, config_path)) {
		fprintf(stderr, "tokenfs: %s: %s\n", a->config_path, strerror(errno));
		return 1;
	}
	plan.config_path = a->config_path ? config_path : NULL;
	plan.mountpoint = mountpoint;
	plan.options = buffer_string(&options);
	return a->foreground ? supervisor_run(&plan) : run_in_background(&plan);
}

int cmd_mount(int argc, char **argv)
{
	struct arguments a = { 0 };
	int c;

	while ((c = getopt(argc, argv, "fc:o:")) != -1) {
		if (c == 'f')
			a.foreground = true;
		else if (c == 'c')
			a.config_path = optarg;
		else if (c == 'o')
			a.options = optarg;
		else
			return usage();
	}
	if (argc - optind > 1)
		return usage();
	a.mountpoint = argv[optind];
	return run(&a);
}

int cmd_mount_fstab(int argc, char **argv)
{
	struct arguments a = { .mountpoint = argv[2] };
	int c;

	/* The source is a configuration file, or a word that says to take the usual one. */
	if (strchr(argv[1], '/'))
		a.config_path = argv[1];
	optind = 3;
	while ((c = getopt(argc, argv, "o:nsv")) != -1)
		if (c == 'o')
			a.options = optarg;
	return run(&a);
}
