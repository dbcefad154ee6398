/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

#define LINE_MAX_BYTES 1024
#define PREFIX "tokenfs: "

struct log {
	bool to_syslog;
};

/* What stands before the text on standard error. */
static const char *level_prefix(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return PREFIX "error: ";
	case LOG_LEVEL_WARNING:
		return PREFIX "warning: ";
	case LOG_LEVEL_NOTICE:
	case LOG_LEVEL_INFO:
	case LOG_LEVEL_AUDIT:
		break;
	}
	return PREFIX;
}

static int level_priority(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return LOG_ERR;
	case LOG_LEVEL_WARNING:
		return LOG_WARNING;
	case LOG_LEVEL_NOTICE:
	case LOG_LEVEL_AUDIT:
		return LOG_NOTICE;
	case LOG_LEVEL_INFO:
		break;
	}
	return LOG_INFO;
}

/* C0, DEL, and C1 in its UTF-8 form: what could move a terminal's cursor or forge a second line. */
static void replace_control(char *text)
{
	unsigned char *p;

	for (p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '?';
	}
}

/* A line that was cut off may end inside of a character. */
static size_t whole_characters(const char *text, size_t len)
{
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* One write a line, so that the lines of several processes do not mix. */
static void write_line(char *line, size_t len)
{
	ssize_t n;

	line[len++] = '\n';
	do
		n = write(STDERR_FILENO, line, len);
	while (n < 0 && errno == EINTR);
}

int log_new(struct log **ret)
{
	struct log *log;

	log = calloc(1, sizeof *log);
	if (!log)
		return -ENOMEM;
	*ret = log;
	return 0;
}

struct log *log_free(struct log *log)
{
	if (log && log->to_syslog)
		closelog();
	free(log);
	return NULL;
}

void log_to_syslog(struct log *log)
{
	/* at once: later there may be no /dev/log to be seen */
	openlog("tokenfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	log->to_syslog = true;
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES + 2];
	const char *prefix = level_prefix(level);
	size_t start = strlen(prefix);
	size_t room = LINE_MAX_BYTES + 1 - start;
	size_t len;
	va_list args;
	int n;

	memcpy(line, prefix, start);
	va_start(args, format);
	n = vsnprintf(line + start, room, format, args);
	va_end(args);
	if (n < 0)
		return;

	len = (size_t)n;
	if (len >= room) {
		len = whole_characters(line + start, room - 2);
		line[start + len] = '\0';
	}
	replace_control(line + start);
	if (log->to_syslog)
		syslog(level_priority(level), "%s", line + start);
	else
		write_line(line, start + len);
}
