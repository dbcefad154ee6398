/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moment: points in time as servers write them, as milliseconds since the epoch.
 *
 *	if (moment_of_text("2025-04-29T13:52:49.927987303Z", &at) == 0)
 *		facts.lifetime_ms = at - x->now_ms;
 */
#ifndef TOKENFS_MOMENT_H
#define TOKENFS_MOMENT_H

#include <stdint.h>

/*
 * RFC 3339 with any number of digits behind the second (cut to milliseconds), or a date YYYY-MM-DD,
 * which is 00:00 UTC of that day (siemens-controlm-cisco.md section 0). -EINVAL: neither, or no day
 * of the calendar; years from 1970 to 9999.
 */
int moment_of_text(const char *text, int64_t *ret_ms);

/*
 * A number that a server calls an expiry, by its size (the same section): milliseconds since the epoch
 * from 1e11 on, seconds since the epoch from 1e9 on, else seconds from `now_ms` on. -EINVAL: negative
 * or beyond the year 9999.
 */
int moment_of_number(int64_t number, int64_t now_ms, int64_t *ret_ms);

#endif
