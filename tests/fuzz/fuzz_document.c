/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody may write to a name of the mount, for every type that takes documents. */
#include <errno.h>
#include <stdlib.h>

#include "document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as(const struct provider_type *type, const char *bytes, size_t len)
{
	SETTINGS_AUTO *settings = NULL;
	struct document_slot slot;
	struct document d = {0};
	struct sentence why = {""};
	int r;

	if (settings_new(type->fields, &settings) < 0)
		return;
	slot = (struct document_slot){.type = type, .settings = settings, .name = "fuzz"};
	r = document_read(&slot, bytes, len, INT64_C(1700000000000), &why, &d);
	if (r < 0 && r != -ENOMEM && (!why.text[0] || d.wish || d.token || d.refresh_token))
		abort();
	if (r == 0 && type->slot_fields && !d.wish)
		abort();
	document_finish(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (const struct provider_type *const *type = provider_types(); *type; type++)
		read_as(*type, (const char *)data, size);
	return 0;
}
