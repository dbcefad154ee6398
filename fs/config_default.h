/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_default: what the environment says; nobody else reads it. An empty variable is none.
 * See config.h for the default places of configuration, mount and state.
 */
#ifndef TOKENFS_CONFIG_DEFAULT_H
#define TOKENFS_CONFIG_DEFAULT_H

/* systemd's $CREDENTIALS_DIRECTORY, or NULL. */
const char *config_credentials_directory(void);

#endif
