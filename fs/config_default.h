/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_default: what the environment says; nobody else reads it. An empty variable is none.
 * See config.h for the default places of configuration, mount and state.
 */
#ifndef TOKENFS_CONFIG_DEFAULT_H
#define TOKENFS_CONFIG_DEFAULT_H

#include <stdbool.h>

/* systemd's $CREDENTIALS_DIRECTORY, or NULL. */
const char *config_credentials_directory(void);

/* $TERM: nothing but text may be written to it. $NO_COLOR (no-color.org). */
bool config_terminal_is_dumb(void);
bool config_wants_no_colour(void);

#endif
