/* SPDX-License-Identifier: Apache-2.0 */
/* json_parse() of anything; what it takes is printed, and that is taken again. */
#include <stdlib.h>

#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	JSON_AUTO *first = NULL, *second = NULL;
	BUFFER_AUTO text = BUFFER_INIT(LIMIT_RESPONSE), again = BUFFER_INIT(LIMIT_RESPONSE);
	struct sentence why = {""};

	if (json_parse((const char *)data, size, &why, &first) < 0)
		return why.text[0] ? 0 : (abort(), 0);
	json_print(first, false, &text);
	if (buffer_error(&text))
		return 0;
	if (json_parse(buffer_string(&text), text.len, &why, &second) < 0)
		abort();
	json_print(second, false, &again);
	if (again.len != text.len)
		abort();
	return 0;
}
