#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""controlm.py: a stand-in for the Control-M Automation API: API tokens by name, and sessions.

It is started, told and asked as standin.py says. Section numbers are those of the wire document.

What a client sees, below /automation-api:
    POST   /authentication/token            2.2 kind create
    PUT    /authentication/token            kind update
    GET    /authentication/token/NAME       kind get
    DELETE /authentication/token/NAME       kind delete
    GET    /authentication/tokens           kind list
    POST   /authentication/tokenbyvalue     kind byvalue
    POST   /session/login, /session/logout  kinds login, logout
    GET    /config/servers                  kind api: `x-api-key: T`, or the Bearer token of a session
What a test sees besides:
    POST /_make {"tokenName": …, "roles": […], "expirationDate": …}  a token made elsewhere; its value
    POST /_change {"tokenName": …}      a token changed elsewhere, whatever its date
    POST /_remove NAME                  a token deleted elsewhere
    POST /_fill NUMBER                  that many tokens, bulk-00000 and on
    POST /_expire                       ends every session
    GET  /_sessions                     how many sessions are alive
    GET  /_tokens                       every API token, with its value
"""

import datetime
import json
import re
import secrets
import sys

sys.dont_write_bytecode = True
import standin  # noqa: E402
from standin import Answer, Refused  # noqa: E402

DEFAULTS = standin.VENDOR_DEFAULTS | {
    "user": "emuser",
    "expires_in": 30 * 60,          # of a session
    "roles": ["Admin", "Operator", "Reader"],   # that every caller here holds
    "value": "absent",              # where no creation is answered: absent, null, empty, masked, shown
    "expired_status": 401,          # of an answer to a session that is over: 401, 500
    "duplicate_status": 400,        # of an answer to a POST of a name that there is: 400, 409
    "conflict": False,              # PUT is answered with 409
    "annotation": False,            # changes must be annotated
    "lags": "",                     # lists and looks do not have this name yet, or have it no more
    "twice": "",                    # lists have this name twice, as tokens of two days
    "by_value": True,               # tokenbyvalue is there: on premises only
}

EXPIRED = "Session token is invalid or expired"
REQUEST = {"tokenName", "roles", "expirationDate", "tokenType", "server", "serverHost", "serverId", "tag"}


def error(status, message, code="AAPI-1"):
    return Answer(status, {"errors": [{"message": message, "id": code}]})


def refuse(status, message):
    raise Refused(error(status, message))


class ControlM(standin.Vendor):
    defaults = DEFAULTS

    def __init__(self, port, tls, handler):
        super().__init__(port, tls, handler)
        self.named = {}     # tokenName -> TokenDataResponse, with its value
        self.by_value = {}  # tokenValue -> tokenName

    def stamp(self):
        return datetime.datetime.fromtimestamp(self.now(), datetime.timezone.utc).isoformat()

    def today(self):
        return datetime.datetime.fromtimestamp(self.now(), datetime.timezone.utc).date().isoformat()

    def make(self, given):
        """A new token of a name that is free, as what its creation tells."""
        with self.changed:
            self.counter += 1
            value = f"ctm-{self.counter}-{secrets.token_urlsafe(48)}"
            token = {
                "tokenName": given["tokenName"], "tokenType": given.get("tokenType", "User"),
                "tokenValue": value, "user": self.settings["user"], "roles": given["roles"],
                "createdDate": self.stamp(), "lastUpdatedDate": self.stamp()}
            if given.get("expirationDate"):
                token["expirationDate"] = given["expirationDate"]
            self.named[token["tokenName"]] = token
            self.by_value[value] = token["tokenName"]
            return token

    def change(self, given):
        with self.changed:
            token = self.named[given["tokenName"]]
            token.update({key: given[key] for key in ("roles", "tokenType") if key in given})
            token.pop("expirationDate", None)
            if given.get("expirationDate"):
                token["expirationDate"] = given["expirationDate"]
            token["lastUpdatedDate"] = self.stamp()
            return token

    def remove(self, name):
        with self.changed:
            token = self.named.pop(name)
            del self.by_value[token["tokenValue"]]
        return token["tokenName"] + "\n"

    def fill(self, number):
        for i in range(number):
            self.make({"tokenName": f"bulk-{i:05d}", "roles": ["Reader"],
                       "expirationDate": "2099-12-31"})
        return f"{len(self.named)}\n"

    def shown(self, token):
        """What is told of a token that was not created just now."""
        said = {key: token[key] for key in token if key != "tokenValue"}
        values = {"null": None, "empty": "", "masked": "********", "shown": token["tokenValue"]}
        if self.settings["value"] in values:
            said["tokenValue"] = values[self.settings["value"]]
        return said

    def is_key(self, value):
        name = self.by_value.get(value)
        return name is not None and self.today() < self.named[name].get("expirationDate", "9999")

    def end_sessions(self):
        with self.changed:
            for token in self.access.values():
                token["active"] = False
        return f"{self.sessions()}\n"

    def sessions(self):
        return sum(self.alive(value, "session") for value in list(self.access))


class Handler(standin.VendorHandler):
    routes = tuple((method, "/automation-api" + path, kind, kind) for method, path, kind in (
        ("POST", "/authentication/token", "create"),
        ("PUT", "/authentication/token", "update"),
        ("GET", "/authentication/token/([^/]+)", "get"),
        ("DELETE", "/authentication/token/([^/]+)", "delete"),
        ("GET", "/authentication/tokens", "list"),
        ("POST", "/authentication/tokenbyvalue", "byvalue"),
        ("POST", "/session/login", "login"),
        ("POST", "/session/logout", "logout"),
        ("GET", "/config/servers", "api"),
    ))

    def answers_of_test(self):
        server = self.server
        return super().answers_of_test() | {
            "_make": lambda _, body: server.make(json.loads(body))["tokenValue"],
            "_change": lambda _, body: server.change(json.loads(body))["tokenName"],
            "_remove": lambda _, body: Answer(200, server.remove(body)),
            "_fill": lambda _, body: Answer(200, server.fill(int(body))),
            "_expire": lambda *_: Answer(200, server.end_sessions()),
            "_sessions": lambda *_: str(server.sessions()),
            "_tokens": lambda *_: json.dumps(list(server.named.values())),
        }

    def denied(self):
        return error(401, "Invalid username or password, or API token")

    # --- who asks, and what for

    def check_caller(self):
        key = self.headers.get("x-api-key")
        if key is not None and "Authorization" in self.headers:
            refuse(400, "x-api-key or Authorization, and not both")
        if key is not None:
            if not self.server.is_key(key):
                refuse(401, "API token is invalid or expired")
        elif not self.server.alive(self.bearer(), "session"):
            refuse(self.server.settings["expired_status"], EXPIRED)

    def check_annotation(self):
        if self.server.settings["annotation"] and not (
                self.headers.get("Annotation-Subject") and self.headers.get("Annotation-Description")):
            refuse(400, "Annotation is required: subject and description")

    def check_date(self, date):
        try:
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
                raise ValueError
            datetime.date.fromisoformat(date)
        except (TypeError, ValueError):
            refuse(400, "expirationDate must be of the form YYYY-MM-DD")
        if date <= self.server.today():
            refuse(400, "expirationDate must be in the future")

    def wanted_token(self, body):
        """The TokenDataRequest in a body."""
        given = self.json_of(body)
        if set(given) - REQUEST:
            refuse(400, f"unknown property: {', '.join(sorted(set(given) - REQUEST))}")
        if not isinstance(given.get("tokenName"), str) or not given["tokenName"]:
            refuse(400, "tokenName is required")
        roles = given.get("roles")
        if not isinstance(roles, list) or not roles or not all(isinstance(r, str) for r in roles):
            refuse(400, "at least one role is required")
        if set(roles) - set(self.server.settings["roles"]):
            refuse(403, "You are not authorized to give a role that you do not hold")
        if given.get("expirationDate") is not None:
            self.check_date(given["expirationDate"])
        return given

    def check_name(self, name):
        if name not in self.server.named:
            refuse(404, f"Token {name} was not found")

    # --- tokens

    def create(self, body):
        self.check_caller()
        self.check_annotation()
        given = self.wanted_token(body)
        with self.server.changed:
            if given["tokenName"] in self.server.named:
                refuse(self.server.settings["duplicate_status"], "Token name already exists")
            return Answer(200, self.server.make(given))

    def update(self, body):
        self.check_caller()
        self.check_annotation()
        given = self.wanted_token(body)
        if self.server.settings["conflict"]:
            refuse(409, "Token is being changed by somebody else")
        self.check_name(given["tokenName"])
        return Answer(200, self.server.shown(self.server.change(given)))

    def get(self, name, _):
        self.check_caller()
        if name == self.server.settings["lags"]:
            refuse(404, f"Token {name} was not found")
        self.check_name(name)
        return Answer(200, self.server.shown(self.server.named[name]))

    def delete(self, name, _):
        self.check_caller()
        self.check_annotation()
        self.check_name(name)
        self.server.remove(name)
        return Answer(200, {"message": f"Token {name} was deleted"})

    def list(self, _):
        self.check_caller()
        with self.server.changed:
            listed = [self.server.shown(token) for token in self.server.named.values()
                      if token["tokenName"] != self.server.settings["lags"]]
            return Answer(200, {"tokens": listed + [
                token | {"createdDate": "2020-01-31T00:00:00Z"} for token in listed
                if token["tokenName"] == self.server.settings["twice"]]})

    def byvalue(self, body):
        if not self.server.settings["by_value"]:
            return Answer(404, "<!DOCTYPE html><title>404</title>", "text/html")
        self.check_caller()
        given = self.json_of(body)
        if not given.get("tokenValue") or not given.get("tokenType"):
            refuse(400, "tokenValue and tokenType are required")
        name = self.server.by_value.get(given["tokenValue"])
        if name is None:
            refuse(404, "Token was not found")
        return Answer(200, self.server.shown(self.server.named[name]))

    # --- sessions

    def login(self, body):
        given, known = self.json_of(body), self.server.settings
        if set(given) != {"username", "password"}:
            refuse(401, "username and password are required")
        if (given["username"], given["password"]) != (known["user"], known["password"]):
            return self.denied()
        value, _ = self.server.issue("session", lambda number, _: secrets.token_hex(64))
        return Answer(200, {"username": given["username"], "token": value, "version": "9.0.21.300"})

    def logout(self, _):
        value = self.bearer()
        if not self.server.alive(value, "session"):
            refuse(500, EXPIRED)
        with self.server.changed:
            self.server.access[value]["active"] = False
        return Answer(200, {"message": "Successfully logged out"})

    # --- what tokens are for

    def api(self, _):
        self.check_caller()
        return Answer(200, [{"name": "IN01", "state": "Up"}])


if __name__ == "__main__":
    standin.main(ControlM, Handler, "a stand-in for the Control-M Automation API")
