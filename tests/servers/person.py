# SPDX-License-Identifier: Apache-2.0
"""What the stand-ins have in common at which a person logs in with a device code.

    PROGRAM [--port N] [--tls CERTIFICATE KEY] [--state FILE]     prints its port

They are told and asked as standin.py says. With --state one goes on with what was there when it was
ended by SIGTERM. Tokens, codes, clients are in `state`; what a test sees besides:
    POST /_approve[/CODE] /_deny[/CODE] /_expire[/CODE]     a user code; else the newest one
    POST /_refresh_token        a refresh token as if somebody had logged in, as text
    POST /_kill_grants          somebody removes every refresh token
    GET  /_grants               the refresh tokens: refresh_token, client_id, scope, active
    GET  /_codes                device codes: user_code, client_id, polls, state
The settings that `switches` names are of one endpoint each: ok; hold (waits for another value), stall
(the same, and closes without a word), drop, busy; a key of fake.ANSWERS; or what `words` has for it.
An entry of the log has a `grant` besides its kind, and /_count and /_await know both.
"""

import argparse
import json
import pickle
import signal
import sys
import time

sys.dont_write_bytecode = True
import fake  # noqa: E402
import standin  # noqa: E402
from fake import ANSWERS  # noqa: E402
from standin import Answer  # noqa: E402

DEFAULTS = {
    "delay": 0,             # seconds before an answer of the token endpoint
    "status": 503,          # of busy answers
    "retry_after": None,    # a Retry-After header for them
    "skew": 0,              # seconds that our Date is ahead
}
ANYWHERE = ("ok", "hold", "stall", "busy", "drop", *ANSWERS)


class Server(standin.Server):
    defaults = DEFAULTS
    counted = "token"
    switches = ()       # settings of one endpoint each
    words = {}          # what else they may be

    def __init__(self, port, tls, handler, state, path):
        super().__init__(port, tls, handler)
        self.state, self.path = state, path
        if path:
            try:
                with open(path, "rb") as file:
                    self.state, self.settings = pickle.load(file)
            except FileNotFoundError:
                pass

    def keep(self):
        if self.path:
            with open(self.path, "wb") as file:
                pickle.dump((self.state, self.settings), file)

    def count(self, kind):
        return sum(kind in ("all", entry["kind"], entry["grant"]) for entry in self.log)

    def check_changes(self, changes):
        super().check_changes(changes)
        for name in set(self.switches) & set(changes):
            if changes[name] not in ANYWHERE + self.words.get(name, ()):
                raise ValueError(f"unknown {name}: {changes[name]}")

    def find_code(self, user_code):
        """By a user code, in any case; the newest without one."""
        for code in reversed(list(self.state.codes.values())):
            if not user_code or code["user_code"] == user_code.upper():
                return code
        return None

    def decide(self, user_code, change):
        with self.changed:
            code = self.find_code(user_code)
            if not code:
                return Answer(404, "no such code\n", "text/plain")
            code.update(change)
            self.changed.notify_all()
        return Answer(200, code["user_code"] + "\n", "text/plain")


class Handler(fake.Handler):
    decisions = {"_approve": {"state": "approved"}, "_deny": {"state": "denied"},
                 "_expire": {"expires_at": 0}}

    def settled(self, switch):
        """(True, what the switch dictates, None to drop the line), else (False, None)."""
        server = self.server
        server.wait_while(switch, "hold")
        mode = server.settings[switch]
        if mode == "stall":
            server.wait_while(switch, "stall")
            return True, None
        if mode == "drop":
            return True, None
        if mode == "busy":
            return True, self.busy()
        return (True, ANSWERS[mode](self.form)) if mode in ANSWERS else (False, None)

    def first(self, name):
        """The first value of a parameter that should come once; "" without it."""
        value = self.form.get(name, "")
        return value[0] if isinstance(value, list) else value

    def page(self):
        """Where a person enters the code; the form has user_code and approve."""
        if self.command == "GET":
            return Answer(200, "<!DOCTYPE html><title>Device</title><form method=post></form>", "text/html")
        decision = "_approve" if self.form.get("approve") == "true" else "_deny"
        return self.server.decide(self.first("user_code") or "?", self.decisions[decision])

    def grant_of(self, kind):
        """What the log says besides the kind."""
        raise NotImplementedError

    def grants(self):
        raise NotImplementedError

    def kill_grants(self):
        for value in list(self.server.state.refresh):
            self.server.drop_refresh(value)
        return Answer(200)

    def answers_of_test(self):
        server = self.server
        return super().answers_of_test() | {
            name: lambda rest, _, change=change: server.decide("".join(rest), change)
            for name, change in self.decisions.items()} | {
            "_grants": lambda *_: json.dumps(self.grants()),
            "_codes": lambda *_: json.dumps(list(server.state.codes.values())),
            "_kill_grants": lambda *_: self.kill_grants(),
        }

    def note(self, kind, body, form):
        with self.server.changed:
            self.noted = {
                "kind": kind, "grant": self.grant_of(kind), "method": self.command,
                "path": self.path, "at": time.time(), "headers": dict(self.headers.items()),
                "body": body, "form": form}
            self.server.log.append(self.noted)
            self.server.changed.notify_all()


def end(*_):
    raise SystemExit


def main(make, description):
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    arguments.add_argument("--state", metavar="FILE")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, end)
    server = make(given.port, given.tls, given.state)
    print(server.server_port, flush=True)
    try:
        server.serve_forever(poll_interval=0.05)
    finally:
        server.keep()
