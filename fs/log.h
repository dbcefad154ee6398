/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: one line an event, to standard error or to syslog. It takes text only, and a `struct secret`
 * or `struct token` has no text form, so neither can end up here. Control characters are replaced.
 *
 * Levels: ERROR something that tokenfs promised does not work; WARNING it works, somebody should
 * look; NOTICE a person would want it in the journal (mounted, reloaded, revoked); INFO every fetch
 * with its outcome; AUDIT who opened what. fs/ logs once, where the outcome is known.
 */
#ifndef TOKENFS_LOG_H
#define TOKENFS_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_AUDIT };

struct log;

/* To standard error, with a "tokenfs: " before each line; -ENOMEM. */
int log_new(struct log **ret);
struct log *log_free(struct log *log);

/* From now on to syslog (facility daemon), standard error stays untouched. */
void log_to_syslog(struct log *log);

void log_line(struct log *log, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
