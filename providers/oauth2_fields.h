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
#define OAUTH2_ASSERTION_FIELDS                                                                    \
	{ "client-key", FIELD_SECRET, 0, NULL, NULL,                                               \
	  "the private key that signs assertions: PEM, RSA or P-256, without a password" },        \
	{ "client-key-id", FIELD_TEXT, 0, NULL, NULL,                                              \
	  "the key's name (kid), where the server has several of this client" },                   \
	{ "assertion-audience", FIELD_URL, 0, NULL, NULL,                                          \
	  "whom assertions are for, if not the token endpoint: the issuer, as some servers want" },\
	{ "assertion-typ", FIELD_CHOICE, 0, "jwt", "jwt client-authentication+jwt",                \
	  "the `typ` of client assertions; the second wants the issuer as assertion-audience" }

#define OAUTH2_SUBJECT_FIELDS                                                                      \
	{ "subject-token", FIELD_SECRET, FIELD_OR_SLOT | FIELD_IDENTITY, NULL, NULL,               \
	  "the token that is exchanged; with jwt_bearer, the assertion" },                         \
	{ "subject-token-type", FIELD_CHOICE, 0, "access_token", "access_token jwt id_token",      \
	  "what the subject-token is, for grant = token_exchange" },                               \
	{ "requested-token-type", FIELD_CHOICE, 0, NULL, "access_token jwt id_token",              \
	  "what is wanted for it; an id_token has no .headers" }

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
	{ "client-auth", FIELD_CHOICE, 0, "basic", \
	  "basic basic-raw post private_key_jwt client_secret_jwt none", \
	  "how the client shows its secret or key; basic-raw: not encoded first, as some servers " \
	  "want it; …_jwt: by an assertion that it signs" }, \
	OAUTH2_ASSERTION_FIELDS, \
	{ "register", FIELD_YES_NO, FIELD_IDENTITY, "no", NULL, \
	  "register a client at the server and keep it, in place of client-id" }, \
	{ "registration-token", FIELD_SECRET, 0, NULL, NULL, \
	  "the initial access token, where the server registers nobody without" }, \
	{ "client-name", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, \
	  "what the registered client is called; another name is another client" }, \
	{ "grant", FIELD_CHOICE, FIELD_IDENTITY, grant_default, \
	  "client_credentials password refresh_token device_code token_exchange jwt_bearer", \
	  "what a token is given for; device_code: a person logs in with a browser" }, \
	{ "user", FIELD_TEXT, FIELD_IDENTITY, NULL, NULL, \
	  "the user, for grant = password and jwt_bearer" }, \
	{ "password", FIELD_SECRET, 0, NULL, NULL, "the user's password" }, \
	{ "refresh-token", FIELD_SECRET, 0, NULL, NULL, \
	  "the first refresh token, for grant = refresh_token" }, \
	OAUTH2_SUBJECT_FIELDS, \
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
