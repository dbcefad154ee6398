/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

/* What reached syslog; stands in for the C library's. */
static struct {
	char line[2048];
	int priority, facility, count;
} journal;

void openlog(const char *ident, int option, int facility)
{
	assert_string_equal(ident, "tokenfs");
	assert_true(option & LOG_PID);
	journal.facility = facility;
}

static void __attribute__((format(printf, 2, 0)))
keep(int priority, const char *format, va_list args)
{
	journal.priority = priority;
	journal.count++;
	vsnprintf(journal.line, sizeof journal.line, format, args);
}

/* In parentheses, for it may be a macro. */
void (syslog)(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	keep(priority, format, args);
	va_end(args);
}

/* The name that syslog() has in a build with _FORTIFY_SOURCE. */
void __syslog_chk(int priority, int flag, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;

	(void)flag;
	va_start(args, format);
	keep(priority, format, args);
	va_end(args);
}

/* Standard error goes into a file of no name for a while. */
struct stderr_kept {
	int was, file;
};

static struct stderr_kept keep_stderr(void)
{
	struct stderr_kept k = { dup(STDERR_FILENO), open("/tmp", O_TMPFILE | O_RDWR, 0600) };

	assert_true(k.was >= 0);
	assert_true(k.file >= 0);
	dup2(k.file, STDERR_FILENO);
	return k;
}

static void restore_stderr(const struct stderr_kept *k, char *text, size_t size)
{
	ssize_t n;

	dup2(k->was, STDERR_FILENO);
	close(k->was);
	n = pread(k->file, text, size - 1, 0);
	close(k->file);
	assert_true(n >= 0);
	text[n] = '\0';
}

static void each_event_is_one_line_and_bad_ones_say_how_bad(void **state)
{
	struct stderr_kept k;
	struct log *log = NULL;
	char text[4096];

	(void)state;
	assert_int_equal(log_new(&log), 0);
	k = keep_stderr();
	log_line(log, LOG_LEVEL_ERROR, "the store is %s", "full");
	log_line(log, LOG_LEVEL_WARNING, "%d of %d", 1, 2);
	log_line(log, LOG_LEVEL_NOTICE, "mounted");
	log_line(log, LOG_LEVEL_INFO, "fetched");
	log_line(log, LOG_LEVEL_AUDIT, "opened");
	restore_stderr(&k, text, sizeof text);
	assert_string_equal(text, "tokenfs: error: the store is full\n"
				  "tokenfs: warning: 1 of 2\n"
				  "tokenfs: mounted\n"
				  "tokenfs: fetched\n"
				  "tokenfs: opened\n");
	assert_null(log_free(log));
}

static void nobody_forges_a_line_or_moves_the_cursor(void **state)
{
	struct stderr_kept k;
	struct log *log = NULL;
	char text[4096];

	(void)state;
	assert_int_equal(log_new(&log), 0);
	k = keep_stderr();
	log_line(log, LOG_LEVEL_NOTICE, "%s", "a\nb\r\x1b[2J\t\x7f\xc2\x9b" "e\xc3\xa9");
	restore_stderr(&k, text, sizeof text);
	assert_string_equal(text, "tokenfs: a?b??[2J????e\xc3\xa9\n");
	assert_null(log_free(log));
}

static void a_long_line_is_cut_between_characters(void **state)
{
	struct stderr_kept k;
	struct log *log = NULL;
	char text[4096], input[2048];
	size_t shift, i, len;

	(void)state;
	assert_int_equal(log_new(&log), 0);
	for (shift = 0; shift < 3; shift++) {
		memset(input, 'x', sizeof input);
		for (i = shift; i + 2 < sizeof input; i += 2)
			memcpy(input + i, "\xc3\xa9", 2);
		input[sizeof input - 2] = '\0';
		k = keep_stderr();
		log_line(log, LOG_LEVEL_NOTICE, "%s", input);
		restore_stderr(&k, text, sizeof text);
		len = strlen(text);
		assert_in_range(len, 1000, 1025);
		assert_int_equal(text[len - 1], '\n');
		assert_int_not_equal((unsigned char)text[len - 2], 0xc3);
		assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	}
	assert_null(log_free(log));
}

static void with_syslog_standard_error_stays_untouched(void **state)
{
	static const struct {
		enum log_level level;
		int priority;
	} levels[] = {
		{ LOG_LEVEL_ERROR, LOG_ERR },	  { LOG_LEVEL_WARNING, LOG_WARNING },
		{ LOG_LEVEL_NOTICE, LOG_NOTICE }, { LOG_LEVEL_INFO, LOG_INFO },
		{ LOG_LEVEL_AUDIT, LOG_NOTICE },
	};
	struct stderr_kept k;
	struct log *log = NULL;
	char text[4096];
	size_t i;

	(void)state;
	assert_int_equal(log_new(&log), 0);
	k = keep_stderr();
	log_to_syslog(log);
	for (i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		log_line(log, levels[i].level, "%%s of %s", "iem\n");
		assert_int_equal(journal.count, i + 1);
		assert_int_equal(journal.priority, levels[i].priority);
		assert_string_equal(journal.line, "%s of iem?");
	}
	restore_stderr(&k, text, sizeof text);
	assert_string_equal(text, "");
	assert_int_equal(journal.facility, LOG_DAEMON);
	assert_null(log_free(log));
	assert_null(log_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_is_one_line_and_bad_ones_say_how_bad),
		cmocka_unit_test(nobody_forges_a_line_or_moves_the_cursor),
		cmocka_unit_test(a_long_line_is_cut_between_characters),
		cmocka_unit_test(with_syslog_standard_error_stays_untouched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
