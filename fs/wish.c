/* SPDX-License-Identifier: Apache-2.0 */
#include "wish.h"

#include <errno.h>
#include <string.h>

int wish_read(const struct field *fields, const char *text, struct sentence *why,
	      struct settings **ret)
{
	SETTINGS_AUTO *wish = NULL;
	JSON_AUTO *json = NULL;
	int r;

	if (!text || !fields) {
		*ret = NULL;
		return 0;
	}
	r = json_parse(text, strlen(text), why, &json);
	if (r)
		return r == -EBADMSG ? -EINVAL : r;
	r = settings_new(fields, &wish);
	if (!r)
		r = settings_read_json(wish, json, why);
	if (r)
		return r;
	*ret = wish;
	wish = NULL;
	return 0;
}

int wish_write(const struct settings *wish, struct buffer *out)
{
	JSON_AUTO *json = settings_write_json(wish);

	if (!json)
		return -ENOMEM;
	json_print(json, false, out);
	return buffer_error(out);
}
