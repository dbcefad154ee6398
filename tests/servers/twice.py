#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""twice.py: stands before a real server and sends it the first poll of a device code twice at once, so
that it says slow_down of its own accord.

    twice.py URL LOG [once]     prints its port; what comes to PATH goes to URL/PATH

With `once` nothing is sent twice, and it is there to count. LOG gets a line for each request that came: when, and the `error` of the answer that was handed back.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def forward(self, body):
        """(status, body) of the server."""
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type")
                   if name in self.headers}
        request = urllib.request.Request(self.server.url + self.path, body, headers)
        try:
            with self.server.opener.open(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def do_POST(self):
        at = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, answer = self.forward(body)
        if b"device_code" in body and not self.server.doubled:
            self.server.doubled = True
            status, answer = self.forward(body)
        try:
            error = json.loads(answer).get("error", "none")
        except ValueError:
            error = "unreadable"
        with open(self.server.log, "a") as log:
            print(f"{at:.3f} {error}", file=log)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url, server.log, server.doubled = sys.argv[1], sys.argv[2], sys.argv[3:] == ["once"]
    server.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    print(server.server_port, flush=True)
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
