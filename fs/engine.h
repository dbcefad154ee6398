/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: the four things that everything in the worker runs on. Made by worker.c, which owns them;
 * everybody else borrows the struct for the life of the process. No other state is shared.
 */
#ifndef TOKENFS_ENGINE_H
#define TOKENFS_ENGINE_H

struct http;
struct log;
struct loop;
struct store;

struct engine {
	struct loop *loop;
	struct http *http;
	struct store *store;
	struct log *log;
};

#endif
