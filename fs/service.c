/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <errno.h>

#ifdef HAVE_SYSTEMD

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

/* Their names in the store, in the order of handover_list(). */
static const char *const names[HANDOVER_DESCRIPTORS] = {
	"tokenfs-fuse",	  "tokenfs-requests", "tokenfs-announce",
	"tokenfs-listen", "tokenfs-page",     "tokenfs-config",
};

static void free_names(char **passed)
{
	for (char **n = passed; n && *n; n++)
		free(*n);
	free(passed);
}

/* Sorts what was passed by name; what is not ours, or comes twice, is closed. */
static void sort(char *const *passed, int n, int fds[static HANDOVER_DESCRIPTORS])
{
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i, which = 0;

		while (which < HANDOVER_DESCRIPTORS && strcmp(passed[i], names[which]))
			which++;
		if (which < HANDOVER_DESCRIPTORS && fds[which] < 0)
			fds[which] = fd;
		else
			close(fd);
	}
}

int service_take(struct handover *ret)
{
	int fds[HANDOVER_DESCRIPTORS];
	char **passed = NULL;
	int n = sd_listen_fds_with_names(1, &passed), r = 0;

	if (n <= 0)
		return n < 0 ? n : -ENOENT;
	for (int i = 0; i < HANDOVER_DESCRIPTORS; i++)
		fds[i] = -1;
	sort(passed, n, fds);
	free_names(passed);
	for (int i = 0; i < HANDOVER_DESCRIPTORS; i++)
		if (fds[i] < 0)
			r = fds[0] < 0 ? -ENOENT : -EPROTO; /* the first is the mount */
	if (!r)
		r = handover_take(fds, ret);
	for (int i = 0; r && i < HANDOVER_DESCRIPTORS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return r;
}

/* One message a descriptor: the store keeps no order, only names. */
void service_keep(const struct handover *h)
{
	int fds[HANDOVER_DESCRIPTORS];

	service_forget();
	handover_list(h, fds);
	for (int i = 0; i < HANDOVER_DESCRIPTORS; i++) {
		char text[64];

		snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", names[i]);
		sd_pid_notify_with_fds(0, 0, text, &fds[i], 1);
	}
}

void service_forget(void)
{
	for (int i = 0; i < HANDOVER_DESCRIPTORS; i++)
		sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", names[i]);
}

void service_ready(void)
{
	sd_notify(0, "READY=1\nSTATUS=The mount answers.");
}

#else

int service_take(struct handover *ret)
{
	(void)ret;
	return -ENOENT;
}

void service_keep(const struct handover *h)
{
	(void)h;
}

void service_forget(void)
{
}

void service_ready(void)
{
}

#endif
