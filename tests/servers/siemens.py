#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""siemens.py: a stand-in for Industrial Edge: an IEM, an IED and the login of the IE Hub.

It is started, told and asked as standin.py says. Section numbers are those of the wire document.

What a client sees:
    POST /portal/api/v1/login/direct                        1.1 kind iem
    POST /auth/realms/customer/protocol/openid-connect/token    1.2 kind keycloak
    POST /device/edge/api/v1/login/direct, …/v2/…           1.3 kinds ied_v1, ied_v2
    POST /oauth/token                                       1.4 kind hub
    GET  /portal/api/v1/devices                             kind iem_api: `Authorization: T`
    GET  /device/edge/api/v2/hostname, …                    kind ied_api: `Authorization: T`
    GET  /userinfo                                          kind hub_api: `Authorization: Bearer T`
What a test sees besides:
    GET  /_locked                       whether the IED has locked the account: yes, no
"""

import secrets
import sys

sys.dont_write_bytecode = True
import standin  # noqa: E402
from standin import HTML_401, Answer, Refused  # noqa: E402

BAD_LOGINS = 5      # in a row, and the IED locks the account
LOCKED_SECONDS = 15 * 60

DEFAULTS = standin.VENDOR_DEFAULTS | {
    "expires_in": 86400,
    "realm": "customer",
    "client_id": "ci",
    "client_secret": "client-right",
    "audience": "industrialedge",
    "hub_client_id": "iectl",
    "refusal": "json",      # of a wrong login at IEM and IED: json, html, empty
}


def realm_error(status, code, text):
    return Answer(status, {"error": code, "error_description": text})


class Siemens(standin.Vendor):
    defaults = DEFAULTS

    def __init__(self, port, tls, handler):
        super().__init__(port, tls, handler)
        self.bad_logins = 0
        self.locked_until = 0

    def ied_login(self, right):
        """Whether it may come in; counts what was wrong."""
        with self.changed:
            if self.now() < self.locked_until:
                return False
            self.bad_logins = 0 if right else self.bad_logins + 1
            if self.bad_logins >= BAD_LOGINS:
                self.locked_until, self.bad_logins = self.now() + LOCKED_SECONDS, 0
            return right


class Handler(standin.VendorHandler):
    routes = (
        ("POST", "/portal/api/v1/login/direct", "iem", "iem_login"),
        ("GET", "/portal/api/v1/devices", "iem_api", "iem_api"),
        ("POST", "/auth/realms/([^/]+)/protocol/openid-connect/token", "keycloak", "keycloak"),
        ("POST", "/device/edge/api/v1/login/direct", "ied_v1", "ied_v1"),
        ("POST", "/device/edge/api/v2/login/direct", "ied_v2", "ied_v2"),
        ("GET", "/device/edge/api/v2/(?:hostname|resources)", "ied_api", "ied_api"),
        ("GET", "/device/edge/b.service/api/v1/system-info", "ied_api", "ied_api"),
        ("GET", "/device/edge/auth/api/v1/oidc-providers", "ied_api", "ied_api"),
        ("POST", "/oauth/token", "hub", "hub"),
        ("GET", "/userinfo", "hub_api", "hub_api"),
    )

    def answers_of_test(self):
        server = self.server
        return super().answers_of_test() | {
            "_locked": lambda *_: "yes" if server.now() < server.locked_until else "no",
        }

    def denied(self):
        return {
            "json": lambda: Answer(401, {"errors": [{"message": "Invalid username or password"}]}),
            "html": lambda: Answer(401, HTML_401, "text/html"),
            "empty": lambda: Answer(401),
        }[self.server.settings["refusal"]]()

    def is_right_login(self, body):
        """Of a body that has a user name and a password, and nothing else."""
        given, known = self.json_of(body), self.server.settings
        if set(given) != {"username", "password"}:
            raise Refused(Answer(400, {"errors": [{"message": "username and password, please"}]}))
        return (given["username"], given["password"]) == (known["user"], known["password"])

    def ends(self, name, value):
        """A member that says when the token ends, if such a thing is said."""
        return {} if self.server.settings["expires_in"] is None else {name: value}

    def data(self, kind):
        """The answer of IEM and of IED v1: despite its name, expires_in is an epoch in ms."""
        value, ends_at = self.server.issue(kind, lambda *_: secrets.token_hex(16))
        return Answer(200, {
            "data": {"access_token": value} | self.ends("expires_in", int(ends_at * 1000))})

    # --- logins

    def iem_login(self, body):
        return self.data("iem") if self.is_right_login(body) else self.denied()

    def ied_v1(self, body):
        if not self.server.ied_login(self.is_right_login(body)):
            return self.denied()
        return self.data("ied")

    def ied_v2(self, body):
        if not self.server.ied_login(self.is_right_login(body)):
            return self.denied()
        value, ends_at = self.server.issue(
            "ied", lambda number, end: standin.make_jwt(
                {"alg": "ES256"}, {"iss": "urn:industrial.edge.device", "exp": int(end)}),
            whole_seconds=True)
        return Answer(200, {"accessToken": value, "refreshToken": "REFRESH-" + secrets.token_hex(24)}
                      | self.ends("expiresAt", int(ends_at)))

    def keycloak(self, realm, body):
        known = self.server.settings
        if self.content_type() != "application/x-www-form-urlencoded":
            return Answer(415, "a form is wanted\n", "text/plain")
        form = self.form_of(body)
        if realm != known["realm"]:
            return realm_error(404, "Realm does not exist", "For more on this error consult the log")
        if form.get("grant_type") != "client_credentials":
            return realm_error(400, "unsupported_grant_type", "Unsupported grant_type")
        if (form.get("client_id"), form.get("client_secret")) != (
                known["client_id"], known["client_secret"]):
            return realm_error(401, "invalid_client", "Invalid client or Invalid client credentials")
        value, _ = self.server.issue("iem", lambda number, end: standin.make_jwt(
            {"alg": "RS256", "kid": "realm"}, {"azp": known["client_id"], "exp": int(end)}))
        return Answer(200, {
            "access_token": value, "refresh_expires_in": 0, "token_type": "Bearer",
            "not-before-policy": 0, "scope": "profile email",
        } | self.ends("expires_in", self.server.life()))

    def hub(self, body):
        given, known = self.json_of(body), self.server.settings
        if not {"grant_type", "username", "password", "audience", "client_id"} <= set(given):
            return realm_error(400, "invalid_request", "Missing required parameter")
        if given["grant_type"] != "password":
            return realm_error(403, "unauthorized_client", "Grant type not allowed for the client")
        if given["client_id"] != known["hub_client_id"]:
            return realm_error(401, "invalid_client", "Unknown client")
        if given["audience"] != known["audience"]:
            return realm_error(403, "access_denied", "Service not found")
        if (given["username"], given["password"]) != (known["user"], known["password"]):
            return realm_error(403, "invalid_grant", "Wrong email or password.")
        value, _ = self.server.issue("hub", lambda number, end: standin.make_jwt(
            {"alg": "RS256"}, {"aud": known["audience"], "exp": int(end)}))
        return Answer(200, {"access_token": value, "token_type": "Bearer"}
                      | self.ends("expires_in", self.server.life()))

    # --- what tokens are for

    def with_bare_token(self, kind, body):
        """`Authorization: T` and no scheme before it; the gateway says no with a page."""
        if self.server.alive(self.headers.get("Authorization"), kind):
            return Answer(200, body)
        return Answer(401, HTML_401, "text/html")

    def iem_api(self, _):
        return self.with_bare_token("iem", {"data": [{"deviceName": "edge-1"}]})

    def ied_api(self, _):
        return self.with_bare_token("ied", {"hostname": "edge-1"})

    def hub_api(self, _):
        if self.server.alive(self.bearer(), "hub"):
            return Answer(200, {"email": self.server.settings["user"]})
        return Answer(401, {"error": "invalid_token"})


if __name__ == "__main__":
    standin.main(Siemens, Handler, "a stand-in for Siemens Industrial Edge")
