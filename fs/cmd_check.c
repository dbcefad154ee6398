/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "config.h"

#define LIMIT_MISTAKES (1u << 20)

static void config_cleanup(struct config **c)
{
	config_free(*c);
}
#define CONFIG_AUTO __attribute__((cleanup(config_cleanup))) struct config

static void print_counts(const struct config *c)
{
	unsigned int providers = 0, tokens = 0;

	for (const struct config_provider *p = c->providers; p; p = p->next) {
		providers++;
		for (const struct config_slot *s = p->slots; s; s = s->next)
			tokens++;
	}
	printf("%u provider%s, %u token%s declared: no mistakes\n", providers,
	       providers == 1 ? "" : "s", tokens, tokens == 1 ? "" : "s");
}

static int usage(void)
{
	fputs("usage: tokenfs check [-c FILE]\n", stderr);
	return 2;
}

int cmd_check(int argc, char **argv)
{
	BUFFER_AUTO mistakes = BUFFER_INIT(LIMIT_MISTAKES);
	CONFIG_AUTO *c = NULL;
	const char *path = NULL;
	int option, r;

	optind = 0; /* glibc: begin anew */
	while ((option = getopt(argc, argv, "+c:")) != -1) {
		if (option != 'c')
			return usage();
		path = optarg;
	}
	if (optind != argc)
		return usage();
	r = config_load(path, NULL, &mistakes, &c);
	fputs(buffer_string(&mistakes), stderr);
	if (r < 0 && mistakes.len == 0)
		fprintf(stderr, "tokenfs: cannot read the configuration: %s\n", strerror(-r));
	if (r < 0)
		return 1;
	print_counts(c);
	return fflush(stdout) == 0 ? 0 : 1;
}
