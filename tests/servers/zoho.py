#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""zoho.py: a stand-in for Zoho Accounts, as catalyst-iam-oauth.md section 1 describes it.

It is started, told and asked as person.py says. What a client sees, with its parameters in the query
or in a form (1.3), and the kind that it is counted as:
    POST /oauth/v3/device/code          kind code
    POST /oauth/v3/device/token         kind poll
    POST /oauth/v2/token                kind token; grant refresh
    POST /oauth/v2/token/revoke         kind revoke
    GET  /oauth/user/info               kind userinfo
    GET  /api                           kind api: 200 for a Bearer token that is alive, else 401
What a person sees:
    GET, POST /device   user_code, approve=true|false
Before each of them may stand a data centre, as in /eu/oauth/v3/device/token: the accounts origin of
that one. Codes are known everywhere, tokens where they were issued.
"""

import json
import secrets
import sys
import time
from urllib.parse import parse_qs

sys.dont_write_bytecode = True
import person  # noqa: E402
from standin import Answer  # noqa: E402

DEFAULTS = person.DEFAULTS | {
    "mode": "ok",               # of refreshes
    "code": "ok",
    "poll": "ok",
    "revoke": "ok",
    "dc": "us",                 # of paths that name none
    "user_location": "us",      # where the user who approves lives
    "moves": False,             # after an other_dc, `dc` is that one: one origin stands for all
    "interval": 1000,           # milliseconds (1.4); null: not said
    "pace": 0.9,                # a poll sooner than so many seconds after the last is slow_down
    "code_expires_in": 300000,  # milliseconds
    "complete": True,           # verification_uri_complete is sent
    "refresh": True,            # a login gives a refresh token
    "rotate": False,            # a refresh gives another refresh token, which is not documented
    "expires_in": 3600,         # seconds, of access tokens
    "budget": 10,               # access tokens that one refresh token gives …
    "budget_seconds": 600,      # … in so long (1.6)
    "budget_status": 400,       # of the answer to one more
    "live_access": 15,          # access tokens of one refresh token that are alive
    "live_refresh": 20,         # refresh tokens of one user and client: one more ends the first
    "login_budget": 10,         # logins in budget_seconds
    "revoke_body": True,        # revocation takes a form
}

CLIENT, SECRET = "1004.TESTDEVICE", "device-secret"
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CENTRES = ("us", "eu", "in", "au", "ca", "sa", "jp", "uae", "com", "ae")


def error(code, **more):
    """Errors come at 200 (1.4, 1.5)."""
    return Answer(200, {"error": code} | more)


def make_value():
    return f"1004.{secrets.token_hex(16)}.{secrets.token_hex(16)}"


class State:
    """What a restart keeps."""

    def __init__(self):
        self.access = {}    # value -> issued_at, expires_in, scope, refresh, active, dc
        self.refresh = {}   # value -> client_id, scope, dc, at, minted: when it was used
        self.codes = {}     # device code -> user_code, client_id, scope, state, expires_at, polls
        self.logins = []    # when there was one


class Server(person.Server):
    defaults = DEFAULTS
    switches = ("mode", "code", "poll", "revoke")

    def __init__(self, port, tls, path):
        super().__init__(port, tls, Handler, State(), path)

    def alive(self, value, dc=None):
        token = self.state.access.get(value)
        return bool(token and token["active"] and dc in (None, token["dc"])
                    and time.time() < token["issued_at"] + token["expires_in"])

    def issue(self, scope, dc, refresh):
        """The answer; the oldest access token goes when there are too many (1.6)."""
        value = make_value()
        with self.changed:
            live = [token for one, token in self.state.access.items()
                    if refresh and token["refresh"] == refresh and self.alive(one)]
            if len(live) >= self.settings["live_access"]:
                live[0]["active"] = False
            self.state.access[value] = {
                "issued_at": time.time(), "expires_in": self.settings["expires_in"], "scope": scope,
                "refresh": refresh, "active": True, "dc": dc}
        return {"access_token": value, "api_domain": f"{self.base}/api", "token_type": "Bearer",
                "expires_in": self.settings["expires_in"]}

    def new_refresh(self, client_id, scope, dc):
        """The first one goes when there are too many."""
        value = make_value()
        with self.changed:
            self.state.refresh[value] = {"client_id": client_id, "scope": scope, "dc": dc,
                                         "at": time.time(), "minted": []}
            if len(self.state.refresh) > self.settings["live_refresh"]:
                self.drop_refresh(next(iter(self.state.refresh)))
        return value

    def new_refresh_token(self):
        return self.new_refresh(CLIENT, "ZohoCatalyst.projects.ALL", self.settings["dc"])

    def drop_refresh(self, value):
        with self.changed:
            for token in self.state.access.values():
                if token["refresh"] == value:
                    token["active"] = False
            self.state.refresh.pop(value, None)

    def spend(self, times, budget):
        """Whether it is within the budget. One that is refused counts too: it extends the lockout."""
        now, most = time.time(), self.settings[budget]
        with self.changed:
            times[:] = [at for at in times if now - at < self.settings["budget_seconds"]]
            times.append(now)
            return len(times) <= most


class Handler(person.Handler):
    def wrong_client(self, secret=True):
        if self.first("client_id") != CLIENT:
            return error("invalid_client")
        return error("invalid_client_secret") if secret and self.first("client_secret") != SECRET else None

    def throttled(self):
        return Answer(self.server.settings["budget_status"], {
            "error": "Access Denied", "status": "failure", "error_description":
                "You have made too many requests continuously. Please try again after some time."})

    # --- the device flow (1.4)

    def code(self):
        server, settings = self.server, self.server.settings
        refusal = self.wrong_client(secret=False)
        if refusal or self.first("grant_type") != "device_request":
            return refusal or error("invalid_request")
        if not self.first("scope"):
            return error("invalid_scope")
        value = make_value()
        user_code = "".join(secrets.choice(ALPHABET) for _ in range(8))
        with server.changed:
            server.state.codes[value] = {
                "user_code": user_code, "client_id": CLIENT, "scope": self.first("scope"),
                "state": "pending", "polls": 0, "polled_at": 0, "dc": self.dc,
                "offline": self.first("access_type") == "offline",
                "expires_at": time.time() + settings["code_expires_in"] / 1000}
        page = f"{server.base}/device"
        body = {"user_code": user_code, "device_code": value, "verification_url": page,
                "expires_in": settings["code_expires_in"]}
        if settings["interval"] is not None:
            body["interval"] = settings["interval"]
        if settings["complete"]:
            body["verification_uri_complete"] = f"{page}?user_code={user_code}"
        return Answer(200, body)

    def pending(self, code):
        """The refusal of a poll of a code that there is; None when a token may be issued."""
        now, settings = time.time(), self.server.settings
        with self.server.changed:
            early = now - code["polled_at"] < settings["pace"]
            code["polls"] += 1
            code["polled_at"] = now
            self.server.changed.notify_all()
        if now >= code["expires_at"]:
            return error("expired")
        if early:
            return error("slow_down")
        if code["state"] == "denied":
            return error("access_denied")
        if code["state"] != "approved":
            return error("authorization_pending")
        if settings["user_location"] != self.dc:
            code["polled_at"] = 0   # the other data centre has not been asked yet
            if settings["moves"]:
                settings["dc"] = settings["user_location"]
            return error("other_dc", user_location=settings["user_location"])
        return None

    def poll(self):
        server, settings, value = self.server, self.server.settings, self.first("code")
        refusal = self.wrong_client()
        code = server.state.codes.get(value)
        if refusal or self.first("grant_type") != "device_token":
            return refusal or error("invalid_request")
        refusal = self.pending(code) if code else error("invalid_code")
        if refusal:
            return refusal
        if not server.spend(server.state.logins, "login_budget"):
            return self.throttled()
        refresh = None
        if settings["refresh"] and code["offline"]:
            refresh = server.new_refresh(CLIENT, code["scope"], self.dc)
        del server.state.codes[value]
        body = server.issue(code["scope"], self.dc, refresh)
        return Answer(200, body | ({"refresh_token": refresh} if refresh else {}))

    # --- tokens (1.5, 1.7)

    def token(self):
        server, value = self.server, self.first("refresh_token")
        time.sleep(server.settings["delay"])
        refusal = self.wrong_client()
        known = server.state.refresh.get(value)
        if refusal or self.first("grant_type") != "refresh_token":
            return refusal or error("invalid_request")
        if not known or known["dc"] != self.dc:
            return error("invalid_code")
        if not server.spend(known["minted"], "budget"):
            return self.throttled()
        if not server.settings["rotate"]:
            return Answer(200, server.issue(known["scope"], self.dc, value))
        server.drop_refresh(value)
        value = server.new_refresh(CLIENT, known["scope"], self.dc)
        return Answer(200, server.issue(known["scope"], self.dc, value) | {"refresh_token": value})

    def revoke(self):
        server, value = self.server, self.first("token")
        state = server.state
        known = state.refresh.get(value) or state.access.get(value)
        if self.in_body and not server.settings["revoke_body"]:
            known = None
        if not known or known["dc"] != self.dc:
            return Answer(400, {"error": "invalid_token"})
        if value in state.refresh:
            server.drop_refresh(value)
        else:
            known["active"] = False
        return Answer(200, {"status": "success"})

    def bearer(self):
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and self.server.alive(value, self.dc)

    def userinfo(self):
        if not self.bearer():
            return Answer(401, {"error": "invalid_oauthtoken"})
        return Answer(200, {"Email": "alice@example.com", "ZUID": 4711, "First_Name": "Alice",
                            "Last_Name": "Example"})

    def api(self):
        return Answer(200, {"status": "success"}) if self.bearer() else Answer(401)

    # --- what tests ask for

    def grants(self):
        return [{"refresh_token": value, "client_id": what["client_id"], "scope": what["scope"],
                 "active": True} for value, what in list(self.server.state.refresh.items())]

    def tokens(self):
        return [{"access_token": value, "scope": token["scope"], "issued_at": token["issued_at"],
                 "expires_in": token["expires_in"], "active": self.server.alive(value)}
                for value, token in list(self.server.state.access.items())]

    def grant_of(self, kind):
        return "refresh" if kind == "token" else None

    routes = {
        "/oauth/v3/device/code": ("POST", "code", "code"),
        "/oauth/v3/device/token": ("POST", "poll", "poll"),
        "/oauth/v2/token": ("POST", "token", "mode"),
        "/oauth/v2/token/revoke": ("POST", "revoke", "revoke"),
        "/oauth/user/info": ("GET", "userinfo", None),
        "/api": ("GET", "api", None),
    }

    def answer_client(self, parts, body):
        name = parts[0]
        self.dc = name if name in CENTRES else self.server.settings["dc"]
        path, _, query = self.path.partition("?")
        path = path[len(name) + 1:] if name in CENTRES else path
        posted = parse_qs(body, keep_blank_values=True)
        self.in_body = bool(posted)
        given = parse_qs(query, keep_blank_values=True) | posted
        self.form = {key: values[0] if len(values) == 1 else values for key, values in given.items()}
        command, kind, switch = self.routes.get(path, (None, path.strip("/"), None))
        self.note(kind, body, self.form)
        if kind == "device":
            return self.page()
        if command != self.command:
            return Answer(405 if command else 404)
        dictated, answer = self.settled(switch) if switch else (False, None)
        return answer if dictated else getattr(self, kind)()


if __name__ == "__main__":
    person.main(Server, "a stand-in for Zoho Accounts")
