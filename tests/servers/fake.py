#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fake.py: an authorization server that can deny, stall, trickle, garble and lie about lengths.

It is started, told and asked as standin.py says.

What a client sees:
    POST /token /revoke /introspect     as in RFC 6749, 7523, 8693, 7009, 7662
    GET  /.well-known/…                 OpenID Connect Discovery and RFC 8414
    GET  /resource                      200 for a Bearer token that is alive, else 401
What a test sees besides:
    POST /_refresh_token                a new refresh token, as text
    GET  /_count[/KIND]                 kinds: token (default), revoke, introspect, discovery, resource
    GET  /_tokens                       what was issued: access_token, scope, issued_at, expires_in, active
"""

import base64
import binascii
import json
import secrets
import sys
import time
from urllib.parse import unquote_plus

sys.dont_write_bytecode = True
import assertion  # noqa: E402
import checked  # noqa: E402
import standin  # noqa: E402
from standin import HTML, Answer  # noqa: E402

DEFAULTS = {
    "mode": "ok",           # of the token endpoint: ok, hold, stall, trickle, or a key of ANSWERS
    "expires_in": 300,      # null: not said
    "token": "opaque",      # opaque, checked (see checked.py), jwt
    "length": 200,          # of an opaque token
    "id_token": None,       # seconds that an id_token lives, which then comes with every answer
    "delay": 0,             # seconds before an answer of the token endpoint
    "pace": 0.001,          # seconds between the bytes of a trickle
    "status": 503,          # of mode busy
    "retry_after": None,    # a Retry-After header for busy answers
    "skew": 0,              # seconds that our Date is ahead
    "refresh": False,       # a refresh token comes with every access token but client_credentials'
    "rotate": False,        # a refresh token works once; a second use ends its whole family
    "client_secret": None,  # when set, another one is refused; assertions are signed with it
    "client_key": None,     # when set, a public key in PEM that takes assertions, and nothing else is taken
    "password": None,       # the same for the password grant
    "revoke": "ok",         # ok, hold, busy, unsupported, stall
    "introspect": "ok",     # ok, busy, unauthorized
    "discovery": "both",    # both, openid, oauth, none, wrong_issuer, html
}

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:"


def error(status, code, text="refused by the test server"):
    return Answer(status, {"error": code, "error_description": text})


def good(value="fake-token", **more):
    return {"access_token": value, "token_type": "Bearer", "expires_in": 300} | more


# Answers of the token endpoint that need no thought: by mode, made from the request's form.
ANSWERS = {
    "deny": lambda form: error(401, "invalid_client"),
    "deny_empty": lambda form: Answer(403),
    "invalid_grant": lambda form: error(400, "invalid_grant"),
    "invalid_scope": lambda form: error(400, "invalid_scope"),
    "html": lambda form: Answer(200, HTML, "text/html"),
    "empty": lambda form: Answer(200),
    "truncated": lambda form: Answer(200, json.dumps(good())[:-9]),
    "length_longer": lambda form: Answer(200, good(), length=4096),
    "length_shorter": lambda form: Answer(200, good(), length=20),
    "huge": lambda form: Answer(200, good(padding="x" * (8 << 20))),
    "no_token": lambda form: Answer(200, {"token_type": "Bearer", "expires_in": 300}),
    "newline": lambda form: Answer(200, good("abc\r\nX-Injected: yes")),
    "control": lambda form: Answer(200, good("abc\x00\x1b[31mdef")),
    "mac": lambda form: Answer(200, good(token_type="mac")),
    "error_200": lambda form: error(200, "invalid_client"),
    "redirect": lambda form: Answer(302, Location="/elsewhere"),
    "quote": lambda form: error(400, "invalid_request", "you sent " + json.dumps(form)),
}


class Server(standin.Server):
    defaults = DEFAULTS
    counted = "token"

    def __init__(self, port, tls, handler):
        super().__init__(port, tls, handler)
        self.access = {}    # value -> {issued_at, expires_in, active, family}
        self.refresh = {}   # value -> {family, used}
        self.families = {}  # number -> alive
        self.checker = assertion.Checker()

    def check_changes(self, changes):
        super().check_changes(changes)
        mode = changes.get("mode", "ok")
        if mode not in ANSWERS and mode not in ("ok", "hold", "stall", "trickle", "busy"):
            raise ValueError(f"unknown mode: {mode}")

    def make_jwt(self, expiry):
        return standin.make_jwt({"alg": "none"}, {"n": self.counter, "exp": int(expiry)})

    def make_value(self, expiry):
        kind = self.settings["token"]
        if kind == "checked":
            return checked.make(self.counter, int(expiry * 1000))
        if kind == "jwt":
            return self.make_jwt(expiry)
        text = f"fake-{self.counter}-"
        return text + secrets.token_hex(self.settings["length"])[: self.settings["length"] - len(text)]

    def issue(self, family, scope):
        """One more access token: (value, what the answer says about it)."""
        with self.changed:
            self.counter += 1
            now, life = time.time(), self.settings["expires_in"]
            value = self.make_value(now + (300 if life is None else life))
            self.access[value] = {
                "issued_at": now, "expires_in": life, "active": True, "family": family,
                "scope": scope}
        return value, good(value, expires_in=life) if life is not None else {
            "access_token": value, "token_type": "Bearer"}

    def new_refresh_token(self, family=None):
        with self.changed:
            if family is None:
                family = len(self.families)
                self.families[family] = True
            value = f"refresh-{family}-{len(self.refresh)}-{secrets.token_hex(12)}"
            self.refresh[value] = {"family": family, "used": False}
        return value

    def use_refresh_token(self, value):
        """(family, what follows it), or None for one that is dead."""
        with self.changed:
            known = self.refresh.get(value)
            if not known or not self.families[known["family"]]:
                return None
            if not self.settings["rotate"]:
                return known["family"], None
            if known["used"]:
                self.families[known["family"]] = False
                return None
            known["used"] = True
        return known["family"], self.new_refresh_token(known["family"])

    def alive(self, value):
        token = self.access.get(value)
        if not token or not token["active"] or self.families.get(token["family"]) is False:
            return False
        life = 300 if token["expires_in"] is None else token["expires_in"]
        return time.time() < token["issued_at"] + life

    def revoke(self, value):
        with self.changed:
            if value in self.access:
                self.access[value]["active"] = False
            elif value in self.refresh:
                self.families[self.refresh[value]["family"]] = False


class Handler(standin.Handler):
    # --- the token endpoint

    def refused_assertion(self, form):
        """The answer for a client that is to show a signature, and has no good one."""
        settings = self.server.settings
        secret = settings["client_secret"]
        mistake = "no assertion" if "client_assertion" not in form else self.server.checker.client(
            form, "client", self.server.base + "/token",
            settings["client_key"] or (secret.encode() if secret else None))
        if not mistake and "Authorization" in self.headers:
            mistake = "two ways to show a client"
        return error(401, "invalid_client", f"{mistake}: {form.get('client_assertion')}") if mistake else None

    def refused_client(self, form):
        """The answer for a client or user that is not the one we know; None when all is well."""
        server, secret = self.server, form.get("client_secret")
        checks = server.settings["client_key"] or server.settings["client_secret"]
        signs = server.settings["client_key"] and form.get("grant_type") != BEARER
        if signs or (checks and "client_assertion" in form):
            return self.refused_assertion(form)
        basic = self.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            try:
                pair = base64.b64decode(basic[6:], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return error(400, "invalid_request", "bad Basic")
            secret = unquote_plus(pair.partition(":")[2])
        if server.settings["client_secret"] not in (None, secret):
            return error(401, "invalid_client")
        if (form.get("grant_type") == "password"
                and server.settings["password"] not in (None, form.get("password"))):
            return error(400, "invalid_grant")
        return None

    def grant(self, form):
        """The answer of a server in good order."""
        server, kind = self.server, form.get("grant_type")
        refused = self.refused_client(form)
        if refused:
            return refused
        family = follower = None
        if kind == "refresh_token":
            used = server.use_refresh_token(form.get("refresh_token"))
            if not used:
                return error(400, "invalid_grant")
            family, follower = used
        elif kind == "password":
            if server.settings["refresh"]:
                follower = server.new_refresh_token()
                family = server.refresh[follower]["family"]
        elif kind == BEARER:
            mistake = server.checker.user(form, server.base + "/token", server.settings["client_key"])
            if mistake:
                return error(400, "invalid_grant", f"{mistake}: {form.get('assertion')}")
        elif kind not in ("client_credentials", EXCHANGE):
            return error(400, "unsupported_grant_type")
        _, body = server.issue(family, form.get("scope"))
        if kind == EXCHANGE:
            body["issued_token_type"] = form.get("requested_token_type", TOKEN_TYPE + "access_token")
            if body["issued_token_type"] != TOKEN_TYPE + "access_token":
                body["token_type"] = "N_A"
        if follower:
            body["refresh_token"] = follower
        if server.settings["id_token"] is not None:
            body["id_token"] = server.make_jwt(time.time() + server.settings["id_token"])
        if "scope" in form:
            body["scope"] = form["scope"]
        return Answer(200, body)

    def token(self, form):
        server = self.server
        time.sleep(server.settings["delay"])
        server.wait_while("mode", "hold")
        mode = server.settings["mode"]
        if mode == "stall":
            server.wait_while("mode", "stall")
            return None
        if mode == "busy":
            return self.busy()
        if mode in ANSWERS:
            return ANSWERS[mode](form)
        answer = self.grant(form)
        answer.pace = server.settings["pace"] if mode == "trickle" else 0
        return answer

    def counted_token(self, form):
        server = self.server
        with server.changed:
            server.running += 1
            server.peak = max(server.peak, server.running)
        try:
            return self.token(form)
        finally:
            with server.changed:
                server.running -= 1

    # --- the other endpoints

    def revoke(self, form):
        self.server.wait_while("revoke", "hold")
        mode = self.server.settings["revoke"]
        if mode == "busy":
            return self.busy()
        if mode == "unsupported":
            return error(400, "unsupported_token_type")
        if mode == "stall":
            self.server.wait_while("revoke", "stall")
            return None
        refused = self.refused_client(form)
        if not refused:
            self.server.revoke(form.get("token"))
        return refused or Answer(200)

    def introspect(self, form):
        mode = self.server.settings["introspect"]
        if mode == "busy":
            return self.busy()
        if mode == "unauthorized":
            return error(401, "invalid_client")
        value = form.get("token")
        known = self.server.access.get(value)
        if not known or not self.server.alive(value):
            return Answer(200, {"active": False})
        return Answer(200, {"active": True, "iat": int(known["issued_at"])})

    def discovery(self):
        mode, base = self.server.settings["discovery"], self.server.base
        style = "openid" if self.path.endswith("/openid-configuration") else "oauth"
        if mode == "html":
            return Answer(200, HTML, "text/html")
        if mode not in ("both", "wrong_issuer", style):
            return error(404, "not_found")
        return Answer(200, {
            "issuer": "https://another.example" if mode == "wrong_issuer" else base,
            "token_endpoint": base + "/token",
            "revocation_endpoint": base + "/revoke",
            "introspection_endpoint": base + "/introspect",
        })

    def resource(self):
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and self.server.alive(value):
            return Answer(200, {"welcome": True})
        return Answer(401, WWW_Authenticate='Bearer error="invalid_token"')

    # --- what tests ask for

    def tokens(self):
        return [{"access_token": value, "scope": token["scope"], "issued_at": token["issued_at"],
                 "expires_in": token["expires_in"], "active": self.server.alive(value)}
                for value, token in list(self.server.access.items())]

    def answers_of_test(self):
        return super().answers_of_test() | {
            "_refresh_token": lambda *_: self.server.new_refresh_token(),
            "_tokens": lambda *_: json.dumps(self.tokens()),
        }

    # --- what clients ask for

    def answer_client(self, parts, body):
        form = self.form_of(body)
        kind = "discovery" if parts[0] == ".well-known" else parts[0]
        self.note(kind, body, form)
        posts = {"token": self.counted_token, "revoke": self.revoke, "introspect": self.introspect}
        gets = {"discovery": self.discovery, "resource": self.resource}
        if self.command == "POST" and kind in posts:
            return posts[kind](form)
        if self.command == "GET" and kind in gets:
            return gets[kind]()
        return Answer(405 if kind in posts or kind in gets else 404)


if __name__ == "__main__":
    standin.main(Server, Handler, "an authorization server that misbehaves on demand")
