/* SPDX-License-Identifier: Apache-2.0 */
#include "qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdbool.h>

/* What ISO/IEC 18004 asks for around the code. */
#define QUIET 4

#define BLACK_ON_WHITE "\033[30;47m"
#define AS_BEFORE "\033[0m"

static void qrcode_cleanup(QRcode **code)
{
	QRcode_free(*code);
}
#define QRCODE_AUTO __attribute__((cleanup(qrcode_cleanup))) QRcode

/* Coordinates begin in the quiet zone's corner; beyond the code everything is light. */
static bool is_dark(const QRcode *code, int x, int y)
{
	x -= QUIET;
	y -= QUIET;
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return false;
	return code->data[y * code->width + x] & 1;
}

static void draw_line(const QRcode *code, int y, enum qr_style style, struct buffer *out)
{
	/* by whether the upper and the lower half are inked */
	static const char *const cells[2][2] = { { " ", "▄" }, { "▀", "█" } };
	bool dark_ink = style == QR_COLOURED;

	if (dark_ink)
		buffer_text(out, BLACK_ON_WHITE);
	for (int x = 0; x < code->width + 2 * QUIET; x++)
		buffer_text(out, cells[is_dark(code, x, y) == dark_ink]
				      [is_dark(code, x, y + 1) == dark_ink]);
	buffer_text(out, dark_ink ? AS_BEFORE "\n" : "\n");
}

int qr_draw(const char *text, enum qr_style style, unsigned int columns, struct buffer *out)
{
	QRCODE_AUTO *code = NULL;

	if (!*text)
		return -EINVAL;
	code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	if (!code)
		return errno == ERANGE ? -EMSGSIZE : -ENOMEM;
	if ((unsigned int)code->width + 2 * QUIET > columns)
		return -EMSGSIZE;
	for (int y = 0; y < code->width + 2 * QUIET; y += 2)
		draw_line(code, y, style, out);
	return buffer_error(out);
}
