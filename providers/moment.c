/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "moment.h"

#define MS_OF_YEAR_10000 INT64_C(253402300800000)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* `n` digits and what must follow them ('\0': anything); moves on behind it. */
static bool take_number(const char **at, unsigned int n, char end, int *ret)
{
	int value = 0;

	for (unsigned int i = 0; i < n; i++, (*at)++) {
		if (!is_digit(**at))
			return false;
		value = value * 10 + (**at - '0');
	}
	if (end && *(*at)++ != end)
		return false;
	*ret = value;
	return true;
}

/* The days before the first of a month since 1970, by the proleptic Gregorian calendar. */
static int64_t days_before(int year, int month)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int64_t past = year - 1;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return past * 365 + past / 4 - past / 100 + past / 400 - 719162 + before[month - 1] +
	       (leap && month > 2);
}

static bool take_day(const char **at, int64_t *ret_days)
{
	int year, month, day;

	if (!take_number(at, 4, '-', &year) || !take_number(at, 2, '-', &month) ||
	    !take_number(at, 2, '\0', &day))
		return false;
	if (year < 1970 || month < 1 || month > 12 || day < 1)
		return false;
	*ret_days = days_before(year, month) + day - 1;
	return *ret_days < days_before(month < 12 ? year : year + 1, month % 12 + 1);
}

static bool take_fraction(const char **at, int *ret_ms)
{
	int unit = 100;

	*ret_ms = 0;
	if (**at != '.')
		return true;
	(*at)++;
	if (!is_digit(**at))
		return false;
	for (; is_digit(**at); (*at)++, unit /= 10)
		*ret_ms += (**at - '0') * unit;
	return true;
}

/* Minutes ahead of UTC. */
static bool take_zone(const char **at, int *ret)
{
	char sign = **at;
	int hours, minutes;

	(*at)++;
	*ret = 0;
	if (sign == 'Z' || sign == 'z')
		return true;
	if ((sign != '+' && sign != '-') || !take_number(at, 2, ':', &hours) ||
	    !take_number(at, 2, '\0', &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
	return true;
}

int moment_of_text(const char *text, int64_t *ret_ms)
{
	int hour, minute, second, ms, zone;
	int64_t days;

	if (!take_day(&text, &days))
		return -EINVAL;
	if (!*text) {
		*ret_ms = days * 86400000;
		return 0;
	}
	if ((*text != 'T' && *text != 't') || !text++ || !take_number(&text, 2, ':', &hour) ||
	    !take_number(&text, 2, ':', &minute) || !take_number(&text, 2, '\0', &second) ||
	    !take_fraction(&text, &ms) || !take_zone(&text, &zone) || *text)
		return -EINVAL;
	if (hour > 23 || minute > 59 || second > 60)
		return -EINVAL;
	*ret_ms = days * 86400000 + ((hour * 60 + minute - zone) * 60 + second) * INT64_C(1000) + ms;
	return 0;
}

int moment_of_number(int64_t number, int64_t now_ms, int64_t *ret_ms)
{
	if (number < 0 || number >= MS_OF_YEAR_10000)
		return -EINVAL;
	if (number >= INT64_C(100000000000))
		*ret_ms = number;
	else if (number >= 1000000000)
		*ret_ms = number * 1000;
	else
		*ret_ms = now_ms + number * 1000;
	return 0;
}
