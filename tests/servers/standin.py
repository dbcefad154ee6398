# SPDX-License-Identifier: Apache-2.0
"""What the servers here have in common: one that is told how to behave, and tells what it saw.

    PROGRAM [--port N] [--tls CERTIFICATE KEY]      prints its port, and serves on 127.0.0.1

What a test sees of each of them:
    POST /_control {"mode": …}          changes settings (see its DEFAULTS), answers all of them
    POST /_reset                        forgets log and counts; tokens and settings stay
    GET  /_log                          every request: kind, method, path, headers, body, form, at
    GET  /_count[/KIND]                 how many requests there were: all, or those of a kind
    GET  /_await/KIND/N[/SECONDS]       waits until there were N of them (10 s); 504 when there were not
    GET  /_peak                         the most requests that ever ran side by side, where it is counted

The stand-ins of vendors are of class Vendor. Their routes are a table; `mode` says how the kinds of
requests that `of` names are answered:
    ok                  as the vendor does
    hold, hold_after    waits for another mode before it acts, or when it has acted and not yet answered
    stall               waits, and closes without a word
    drop                closes without a word
    deny                as the vendor refuses a credential; deny_html, deny_empty: 401 without JSON
    busy                `status` and `retry_after`
    quote               400, with all that was sent
    html, empty, bare   200 with a page, with nothing, with {}
    cut                 the right answer without its end
    redirect            307 to /elsewhere, which is counted as `elsewhere` like every unknown path
With `forgets` a request that is held is not acted on when its client has gone meanwhile.
"""

import argparse
import base64
import json
import re
import secrets
import select
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

sys.dont_write_bytecode = True
import checked  # noqa: E402

HTML = "<!DOCTYPE html><title>Maintenance</title><p>We are back soon."
HTML_401 = "<html><head><title>Error 401</title></head><body><h1>Unauthorized</h1></body></html>"


class Answer:
    """One HTTP answer; `length` and `close` let it lie."""

    def __init__(self, status, body=b"", kind="application/json", length=None, **headers):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = {"Content-Type": kind, "Cache-Control": "no-store"}
        self.headers["Content-Length"] = str(len(self.body) if length is None else length)
        self.headers.update({name.replace("_", "-"): str(value) for name, value in headers.items()})
        self.lies = length is not None
        self.pace = 0


def make_jwt(header, claims):
    part = lambda text: base64.urlsafe_b64encode(json.dumps(text).encode()).decode()
    return f"{part(header)}.{part(claims)}.".replace("=", "") + secrets.token_hex(16)


class Server(ThreadingHTTPServer):
    """The state; every change of it wakes those who wait."""

    daemon_threads = True
    request_queue_size = 512
    defaults = {}   # the settings that there are
    counted = "all" # what /_count counts

    def __init__(self, port, tls, handler):
        super().__init__(("127.0.0.1", port), handler)
        self.scheme = "http"
        if tls:
            tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls_context.load_cert_chain(*tls)
            self.socket = tls_context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"
        self.changed = threading.Condition()
        self.settings = dict(self.defaults)
        self.log = []
        self.running = self.peak = 0
        self.counter = 0

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)

    @property
    def base(self):
        return f"{self.scheme}://localhost:{self.server_port}"

    def count(self, kind):
        return sum(kind in ("all", entry["kind"]) for entry in self.log)

    def check_changes(self, changes):
        """Raises ValueError for settings that mean nothing."""
        unknown = set(changes) - set(self.defaults)
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")

    def control(self, changes):
        self.check_changes(changes)
        with self.changed:
            self.settings.update(changes)
            self.changed.notify_all()
            return dict(self.settings)

    def wait_while(self, key, value):
        with self.changed:
            self.changed.wait_for(lambda: self.settings[key] != value)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        now = time.time() if timestamp is None else timestamp
        return super().date_time_string(now + self.server.settings["skew"])

    def send(self, answer):
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.lies:
                self.send_header("Connection", "close")
            self.end_headers()
            if not answer.pace:
                self.wfile.write(answer.body)
            for i in range(len(answer.body) if answer.pace else 0):
                time.sleep(answer.pace)
                self.wfile.write(answer.body[i: i + 1])
        except OSError:
            self.close_connection = True

    def drop(self):
        """Closes without a word."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def busy(self):
        after = self.server.settings["retry_after"]
        headers = {} if after is None else {"Retry_After": after}
        return Answer(self.server.settings["status"], "busy\n", "text/plain", **headers)

    # --- what tests ask for

    def await_count(self, kind, number, seconds="10"):
        server = self.server
        with server.changed:
            if server.changed.wait_for(lambda: server.count(kind) >= int(number), float(seconds)):
                return Answer(200, f"{server.count(kind)}\n", "text/plain")
            return Answer(504, f"{server.count(kind)}\n", "text/plain")

    def reset(self):
        with self.server.changed:
            self.server.log.clear()
            self.server.peak = self.server.running
        return Answer(200)

    def answers_of_test(self):
        """What a GET or POST of /_NAME answers, as functions that take the rest of the path and the
        body and give text or an Answer."""
        server = self.server
        return {
            "_control": lambda _, body: Answer(200, server.control(json.loads(body))),
            "_await": lambda rest, _: self.await_count(*rest),
            "_reset": lambda *_: self.reset(),
            "_log": lambda *_: json.dumps(server.log),
            "_count": lambda rest, _: str(server.count((rest + [server.counted])[0])),
            "_peak": lambda *_: str(server.peak),
        }

    def answer_test(self, parts, body):
        known = self.answers_of_test().get(parts[0])
        if not known:
            return Answer(404)
        try:
            answer = known(parts[1:], body)
        except (ValueError, TypeError, KeyError) as mistake:
            return Answer(400, f"{mistake}\n", "text/plain")
        return answer if isinstance(answer, Answer) else Answer(200, answer)

    # --- what clients ask for

    def form_of(self, body):
        return {key: values[0] if len(values) == 1 else values
                for key, values in parse_qs(body, keep_blank_values=True).items()}

    def note(self, kind, body, form):
        self.noted = {
            "kind": kind, "method": self.command, "path": self.path, "at": time.time(),
            "headers": dict(self.headers.items()), "body": body, "form": form}
        with self.server.changed:
            self.server.log.append(self.noted)
            self.server.changed.notify_all()

    def answer_client(self, parts, body):
        """The Answer, or None to close without a word."""
        raise NotImplementedError

    def serve(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode("utf-8", "replace")
        parts = self.path.partition("?")[0].strip("/").split("/")
        self.noted = {}
        if parts[0].startswith("_"):
            answer = self.answer_test(parts, body)
        else:
            answer = self.answer_client(parts, body)
        self.noted["answered"] = time.time()
        if answer:
            self.send(answer)
        else:
            self.drop()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = serve


# --- stand-ins of vendors

VENDOR_DEFAULTS = {
    "mode": "ok",           # see above
    "of": "all",            # the kind of requests that `mode` is for
    "forgets": False,
    "status": 503,          # of mode busy
    "retry_after": None,    # a Retry-After header for busy answers
    "skew": 0,              # seconds that our clock is ahead
    "expires_in": 300,      # seconds that a token of a login lives; null: not said
    "token": "vendor",      # vendor, checked (see checked.py)
    "user": "alice@example.com",
    "password": "right",
}

MODES = ("ok", "hold", "hold_after", "stall", "drop", "deny", "deny_html", "deny_empty", "busy",
         "quote", "html", "empty", "bare", "cut", "redirect")


class Refused(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, answer):
        super().__init__(answer.status)
        self.answer = answer


class Vendor(Server):
    """Accounts, and the tokens of their logins."""

    def __init__(self, port, tls, handler):
        super().__init__(port, tls, handler)
        self.access = {}    # value -> {kind, issued_at, expires_at, active, …}

    def check_changes(self, changes):
        super().check_changes(changes)
        if changes.get("mode", "ok") not in MODES:
            raise ValueError(f"unknown mode: {changes['mode']}")

    def mode(self, kind):
        return self.settings["mode"] if self.settings["of"] in ("all", kind) else "ok"

    def now(self):
        return time.time() + self.settings["skew"]

    def life(self):
        return 300 if self.settings["expires_in"] is None else self.settings["expires_in"]

    def issue(self, kind, make, whole_seconds=False, **more):
        """A new token: (value, when it ends by our clock). `make` gets its number and its end."""
        with self.changed:
            self.counter += 1
            expires_at = self.now() + self.life()
            if whole_seconds:
                expires_at = int(expires_at)
            if self.settings["token"] == "checked":
                value = checked.make(self.counter, int((expires_at - self.settings["skew"]) * 1000))
            else:
                value = make(self.counter, expires_at)
            self.access[value] = {"kind": kind, "issued_at": self.now(), "expires_at": expires_at,
                                  "active": True} | more
        return value, expires_at

    def alive(self, value, *kinds):
        token = self.access.get(value)
        return (token is not None and token["kind"] in kinds and token["active"]
                and self.now() < token["expires_at"])

    def tokens(self):
        return [{"access_token": value, "active": self.alive(value, token["kind"])} | {
            key: token[key] for key in ("kind", "issued_at", "expires_at")}
            for value, token in list(self.access.items())]


class VendorHandler(Handler):
    routes = ()     # (method, regular expression of the path, kind, name of the method here)

    def answers_of_test(self):
        return super().answers_of_test() | {"_tokens": lambda *_: json.dumps(self.server.tokens())}

    # --- reading a request

    def content_type(self):
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def json_of(self, body):
        """The object in a body that says it is JSON."""
        if self.content_type() != "application/json":
            raise Refused(Answer(415, f"not JSON: {self.content_type()}\n", "text/plain"))
        try:
            given = json.loads(body)
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise Refused(Answer(400, "a JSON object is wanted\n", "text/plain"))
        return given

    def bearer(self):
        """The token of `Authorization: Bearer T`, written exactly so; or None."""
        match = re.fullmatch(r"Bearer (\S+)", self.headers.get("Authorization", ""))
        return match and match[1]

    # --- answers

    def denied(self):
        """How this vendor refuses a credential."""
        return Answer(401)

    def quote(self, body):
        """As careless servers do it, wherever a client looks for what is wrong."""
        said = f"you sent {body} {dict(self.headers.items())}"
        return Answer(400, {"error": said, "error_description": said, "message": said,
                            "errors": [{"message": said, "id": said}]})

    def canned(self, mode, body):
        return {
            "quote": lambda: self.quote(body),
            "deny": self.denied,
            "deny_html": lambda: Answer(401, HTML_401, "text/html"),
            "deny_empty": lambda: Answer(401),
            "busy": self.busy,
            "html": lambda: Answer(200, HTML, "text/html"),
            "empty": lambda: Answer(200),
            "bare": lambda: Answer(200, {}),
            "redirect": lambda: Answer(307, Location=f"{self.server.base}/elsewhere"),
        }.get(mode)

    def client_is_gone(self):
        """It asks for nothing more before it is answered, so what there is to read is the end."""
        return bool(select.select([self.connection], [], [], 0)[0])

    def held(self, kind, mode):
        """Waits until the mode is another one; whether the request counts still."""
        server = self.server
        if server.mode(kind) != mode:
            return True
        with server.changed:
            server.changed.wait_for(lambda: server.mode(kind) != mode)
            return not (server.settings["forgets"] and self.client_is_gone())

    def act(self, name, found, body):
        try:
            return getattr(self, name)(*found, body)
        except Refused as refused:
            return refused.answer

    def play(self, kind, name, found, body):
        if not self.held(kind, "hold"):
            return None
        mode = self.server.mode(kind)
        if mode == "stall":
            self.held(kind, "stall")
            return None
        if mode == "drop":
            return None
        canned = self.canned(mode, body)
        if canned:
            return canned()
        answer = self.act(name, found, body)
        if mode == "cut":
            return Answer(answer.status, answer.body[:-3])
        self.held(kind, "hold_after")
        return answer

    def answer_client(self, parts, body):
        path = self.path.partition("?")[0]
        form = self.form_of(body) if "form" in self.content_type() else None
        for method, pattern, kind, name in self.routes:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                self.note(kind, body, form)
                return self.play(kind, name, map(unquote, match.groups()), body)
        self.note("elsewhere", body, form)
        return Answer(404, "<!DOCTYPE html><title>404</title><p>No such page.", "text/html")


def main(server, handler, description):
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    given = arguments.parse_args()
    serving = server(given.port, given.tls, handler)
    print(serving.server_port, flush=True)
    serving.serve_forever(poll_interval=0.05)
