/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth2_fields: the keys that every OAuth 2.0 type has, as rows of a field table. A type says what
 * it does by default, and puts rows of its own before or behind them:
 *
 *	static const struct field fields[] = { OAUTH2_FIELDS("device_code", …), { 0 } };
 */
#ifndef TOKENFS_OAUTH2_FIELDS_H
#define TOKENFS_OAUTH2_FIELDS_H

#include "settings.h"

/* clang-format off */
#define OAUTH2_FIELDS(grant_default, style_default, styles, styles_help) \
	{ "issuer", FIELD_URL, FIELD_IDENTITY, NULL, NULL, \
	  "the server, which tells its endpoints" }, \
	{ "token-url", FIELD_URL, FIELD_IDENTITY, NULL, NULL, \
	  "the token endpoint, without an issuer" }, \
	{ "revocation-url", FIELD_URL, 0, NULL, NULL, \
	  "the revocation endpoint, without an issuer" }, \
	{ "device-authorization-url", FIELD_URL, 0, NULL, NULL, \
	  "where a login is begun, without an issuer" }, \
	{ "registration-url", FIELD_URL, 0, NULL, NULL, \
	  "where a client is registered, without an issuer" }, \
	{ "client-id", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, \
	  "the client's name at the server" }, \
	{ "client-secret", FIELD_SECRET, 0, NULL, NULL, "the client's secret" }, \
	{ "client-auth", FIELD_CHOICE, 0, "basic", "basic basic-raw post none", \
	  "how the client shows its secret; basic-raw: not encoded first, as some servers want it" }, \
	{ "register", FIELD_YES_NO, FIELD_IDENTITY, "no", NULL, \
	  "register a client at the server and keep it, in place of client-id" }, \
	{ "registration-token", FIELD_SECRET, 0, NULL, NULL, \
	  "the initial access token, where the server registers nobody without" }, \
	{ "client-name", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, \
	  "what the registered client is called; another name is another client" }, \
	{ "grant", FIELD_CHOICE, FIELD_IDENTITY, grant_default, \
	  "client_credentials password refresh_token device_code", \
	  "what a token is given for; device_code: a person logs in with a browser" }, \
	{ "user", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, "the user, for grant = password" }, \
	{ "password", FIELD_SECRET, 0, NULL, NULL, "the user's password" }, \
	{ "refresh-token", FIELD_SECRET, 0, NULL, NULL, \
	  "the first refresh token, for grant = refresh_token" }, \
	{ "scope", FIELD_WORDS, 0, NULL, NULL, "what the token may do" }, \
	{ "audience", FIELD_WORDS, 0, NULL, NULL, "whom the token is for" }, \
	{ "resource", FIELD_URLS, 0, NULL, NULL, \
	  "the services that the token is for (RFC 8707)" }, \
	{ "audience-style", FIELD_CHOICE, 0, style_default, styles, styles_help }

#define OAUTH2_SLOT_FIELDS \
	{ "scope", FIELD_WORDS, 0, NULL, NULL, "what this token may do" }, \
	{ "audience", FIELD_WORDS, 0, NULL, NULL, "whom this token is for" }, \
	{ "resource", FIELD_URLS, 0, NULL, NULL, "the services that this token is for" }
/* clang-format on */

#endif
