/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#include <stddef.h>
#include <string.h>

#include "qr.h"

#define BOLD "\033[1m"
#define AS_BEFORE "\033[0m"

static const struct {
	const char *word, *sentence;
} states[] = {
	[PROGRESS_STARTING] = { "starting", "the login has not begun yet" },
	[PROGRESS_WAITING] = { "waiting", "the login goes on" },
	[PROGRESS_DONE] = { "done", "logged in" },
	[PROGRESS_DENIED] = { "denied", "the login was denied" },
	[PROGRESS_EXPIRED] = { "expired", "the code has expired; log in again" },
	[PROGRESS_FAILED] = { "failed", "the login failed" },
	[PROGRESS_CANCELLED] = { "cancelled", "the login was cancelled" },
	[PROGRESS_GONE] = { NULL, "the login is not known any more; log in again" },
};

enum progress progress_of(const char *word)
{
	for (int i = 0; word && i < PROGRESS_GONE; i++)
		if (!strcmp(states[i].word, word))
			return (enum progress)i;
	return PROGRESS_GONE;
}

bool progress_is_final(enum progress state)
{
	return state != PROGRESS_STARTING && state != PROGRESS_WAITING;
}

/* One character's bytes and number; 0 when it is no UTF-8 (RFC 3629). */
static size_t decode(const unsigned char *p, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t c = n == 1 ? *p : n ? *p & (0x7fu >> n) : 0;

	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (!n || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

/* C0, DEL, C1, line and paragraph ends, and what turns the direction of writing or is not seen. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad || c == 0x61c ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe007f);
}

void screen_text(const char *text, struct buffer *out)
{
	while (*text) {
		uint32_t c = 0;
		size_t n = decode((const unsigned char *)text, &c);

		if (n && !is_control(c))
			buffer_append(out, text, n);
		else
			buffer_text(out, "?");
		text += n ? n : 1;
	}
}

/* A line of its own, with room around it: to be read from afar, copied, or clicked at. */
static void add_clear_line(const struct screen *s, const char *text, struct buffer *out)
{
	buffer_text(out, s->colours ? "\n    " BOLD : "\n    ");
	screen_text(text, out);
	buffer_text(out, s->colours ? AS_BEFORE "\n\n" : "\n\n");
}

/* A drawing that does not fit is no loss: the address is there as text. */
static void add_qr(const struct screen *s, const struct page *page, struct buffer *out)
{
	const char *uri = page->uri_complete ? page->uri_complete : page->uri;

	if (s->terminal && s->utf8 && qr_draw(uri, s->colours ? QR_COLOURED : QR_PLAIN, s->columns, out) == 0)
		buffer_text(out, "\n");
}

void screen_page(const struct screen *s, const struct page *page, struct buffer *out)
{
	buffer_text(out, "To log in ");
	screen_text(page->slot, out);
	buffer_text(out, ", open this page in a browser, on any device:\n");
	add_clear_line(s, page->uri, out);
	buffer_text(out, "and enter this code:\n");
	add_clear_line(s, page->code, out);
	if (page->uri_complete) {
		buffer_text(out, "Or open this page, and compare the code:\n");
		add_clear_line(s, page->uri_complete, out);
	}
	add_qr(s, page, out);
}

void screen_countdown(const struct screen *s, int64_t left_ms, struct buffer *out)
{
	int64_t left = left_ms > 0 ? (left_ms + 999) / 1000 : 0;

	if (!s->rewrites)
		return;
	buffer_text(out, "\r\033[KWaiting for you; the code lives ");
	if (left >= 60)
		buffer_format(out, "%lldm ", (long long)(left / 60));
	buffer_format(out, "%llds", (long long)(left % 60));
}

void screen_clear(const struct screen *s, struct buffer *out)
{
	if (s->rewrites)
		buffer_text(out, "\r\033[K");
}

void screen_result(const char *slot, enum progress state, const char *message,
		   struct buffer *out)
{
	screen_text(slot, out);
	buffer_text(out, ": ");
	screen_text(message && *message ? message : states[state].sentence, out);
	buffer_text(out, "\n");
}
