/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "config.h"

static const char *kind_name(enum field_kind kind)
{
	switch (kind) {
	case FIELD_TEXT:
		return "text";
	case FIELD_WORDS:
		return "words";
	case FIELD_URL:
		return "https URL";
	case FIELD_URLS:
		return "URIs";
	case FIELD_CHOICE:
		return "one of";
	case FIELD_YES_NO:
		return "yes or no";
	case FIELD_DURATION:
		return "time, such as 30s or 5m";
	case FIELD_NUMBER:
		return "number";
	case FIELD_PATH:
		return "absolute path";
	case FIELD_SECRET:
		return "secret";
	case FIELD_JSON:
		return "JSON";
	}
	return "";
}

static void print_kind(const struct field *f)
{
	printf("      %s%s", f->flags & FIELD_OR_SLOT ? "PROVIDER/NAME, or a " : "",
	       kind_name(f->kind));
	if (f->choices)
		printf(" %s", f->choices);
	if (f->flags & FIELD_REQUIRED)
		fputs("; needed", stdout);
	if (f->fallback && strcmp(f->fallback, "$HOSTNAME") == 0)
		fputs("; else the host's name", stdout);
	else if (f->fallback)
		printf("; else %s", f->fallback);
	putchar('\n');
}

/* In a document a secret is a member like any other. */
static void print_fields(const struct field *fields, bool document)
{
	for (const struct field *f = fields; f && f->key; f++) {
		if (f->kind == FIELD_SECRET && !document)
			printf("  %s%s%s-file | %s-command | %s-credential\n",
			       f->flags & FIELD_OR_SLOT ? f->key : "",
			       f->flags & FIELD_OR_SLOT ? " | " : "", f->key, f->key, f->key);
		else
			printf("  %s\n", f->key);
		if (f->help)
			printf("      %s\n", f->help);
		print_kind(f);
	}
}

static void print_document(const struct provider_type *type)
{
	if (!type->slot_fields && !type->imports && !type->imports_refresh) {
		puts("\nNo document can be written to its tokens.");
		return;
	}
	printf("\nMembers of a document written to a token%s:\n\n",
	       type->undeclared ? "" : ", and keys of [PROVIDER/NAME]");
	print_fields(type->slot_fields, true);
	if (type->imports)
		puts("  access_token, expires_in\n"
		     "      a token from elsewhere, and its life in seconds (documents only)");
	if (type->imports_refresh)
		puts("  refresh_token\n"
		     "      a refresh token from elsewhere (documents only)");
}

static void print_type(const struct provider_type *type)
{
	printf("%s: %s\n\n  [PROVIDER]\n  type = %s\n", type->name, type->summary, type->name);
	if (type->fields && type->fields->key) {
		puts("\nKeys:\n");
		print_fields(type->fields, false);
	}
	puts("\nKeys of every provider:\n");
	print_fields(config_common_fields, false);
	print_document(type);
	if (type->document)
		printf("\nIts directory has a further file, %s.\n", type->document);
	if (type->env)
		printf("\nIts variable in .env is %s.\n", type->env);
	if (type->lists)
		puts("\nIts directory lists the tokens that the server has.");
}

static void print_usage(const struct cmd *c)
{
	const char *usage = c->usage ? c->usage : "";

	printf("usage: tokenfs %s%s%s\n\n%s\n", c->name, *usage ? " " : "", usage, c->summary);
}

static void print_all(void)
{
	puts("usage: tokenfs COMMAND …\n\nCommands:\n");
	for (const struct cmd *c = cmd_table(); c->name; c++)
		printf("  %-10s %s\n", c->name, c->summary);
	puts("\nTypes of providers:\n");
	for (const struct provider_type *const *t = provider_types(); *t; t++)
		printf("  %-14s %s\n", (*t)->name, (*t)->summary);
	puts("\n`tokenfs help COMMAND` and `tokenfs help TYPE` tell more.");
}

static const struct cmd *find_command(const char *name)
{
	for (const struct cmd *c = cmd_table(); c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

int cmd_help(int argc, char **argv)
{
	const struct provider_type *type = argc == 2 ? provider_type_find(argv[1]) : NULL;
	const struct cmd *command = argc == 2 ? find_command(argv[1]) : NULL;

	if (argc < 2) {
		print_all();
	} else if (command) {
		print_usage(command);
	} else if (type) {
		print_type(type);
	} else {
		fputs(argc == 2 ? "tokenfs: there is no such command or type; `tokenfs help` lists "
				  "them\n"
				: "usage: tokenfs help [COMMAND|TYPE]\n",
		      stderr);
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
