/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qr: a QR code as lines of text, two of its rows in one line of half blocks. The only includer of
 * libqrencode.
 *
 * A camera wants dark on light, with four light modules around it. QR_COLOURED says so with escape
 * sequences; QR_PLAIN draws the light ones and hopes for a dark terminal.
 */
#ifndef TOKENFS_QR_H
#define TOKENFS_QR_H

#include "buffer.h"

enum qr_style { QR_PLAIN, QR_COLOURED };

/*
 * Appends the drawing of `text`. -EMSGSIZE, and nothing is appended, when it is wider than `columns`
 * or more than a QR code holds; -EINVAL without any text; -ENOMEM; the buffer's error.
 */
int qr_draw(const char *text, enum qr_style style, unsigned int columns, struct buffer *out);

#endif
