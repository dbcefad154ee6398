#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cisco.py: a stand-in for the IoT Operations Dashboard and for Edge Intelligence on a device.

It is started, told and asked as standin.py says. Section numbers are those of the wire document.

What a client sees:
    POST /iam/auth/token                3.1 kind token: user and password, or an API key by its name
    POST /nbapi/iam/v1/auth/token       3.1 kind nbapi: an API key by its id
    GET  /iam/users/me                  3.1 kind me: Bearer; 403 for the token of an API key
    GET  /nbapi/edm/v1/devices          kind api: Bearer and x-tenant-id
    POST /api/v2/edge-intelligence/token        3.2 kind ei
    GET  /api/v2/edge-intelligence/pipelines    3.2 kind pipelines: Bearer
"""

import datetime
import sys

sys.dont_write_bytecode = True
import standin  # noqa: E402
from standin import Answer, Refused  # noqa: E402

DEFAULTS = standin.VENDOR_DEFAULTS | {
    "key_name": "acme->ci",         # of the API key: organisation and name, in lower case
    "key_id": "5f0c0ffe-key",
    "key_secret": "key-right",
    "tenants": ["11111111-aaaa-4bbb-8ccc-000000000001"],
    "user_status": 200,             # of the answer to user and password: 200, 201
    "refusal": 401,                 # the status for a wrong login: 401, 400
    "ei_expiry": "both",            # what EI says: both, seconds, at, none
    "ei_skew": 0,                   # seconds that the device's clock is ahead
    "first_login": False,           # EI wants the password to be changed first
}


def envelope(status, message, **more):
    return Answer(status, {"success": status == 200, "message": message} | more)


class Cisco(standin.Vendor):
    defaults = DEFAULTS


class Handler(standin.VendorHandler):
    routes = (
        ("POST", "/iam/auth/token", "token", "token"),
        ("POST", "/nbapi/iam/v1/auth/token", "nbapi", "nbapi"),
        ("GET", "/iam/users/me", "me", "me"),
        ("GET", "/nbapi/edm/v1/devices", "api", "api"),
        ("POST", "/api/v2/edge-intelligence/token", "ei", "ei"),
        ("GET", "/api/v2/edge-intelligence/pipelines", "pipelines", "pipelines"),
    )

    def denied(self):
        return Answer(self.server.settings["refusal"], {
            "success": False, "message": "Unauthorized: bad credentials"})

    # --- the IoT Operations Dashboard

    def issue(self, kind, status=200):
        value, _ = self.server.issue(kind, lambda number, end: standin.make_jwt(
            {"alg": "RS256"}, {"n": number, "exp": int(end)}))
        said = {"access_token": value, "token_type": "bearer", "refresh_expires_in": 1800,
                "refresh_token": "REFRESH-" + standin.make_jwt({"alg": "HS256"}, {"typ": "Refresh"})}
        if self.server.settings["expires_in"] is not None:
            said["expires_in"] = self.server.settings["expires_in"]
        return Answer(status, said)

    def api_key(self, given, name):
        known = self.server.settings
        if set(given) != {"grant_type", "client_id", "client_secret"}:
            return Answer(400, {"message": "grant_type, client_id and client_secret, please"})
        if given["grant_type"] != "client_credentials":
            return Answer(400, {"message": "unsupported grant_type"})
        if (given["client_id"], given["client_secret"]) != (known[name], known["key_secret"]):
            return self.denied()
        return self.issue("key")

    def token(self, body):
        given, known = self.json_of(body), self.server.settings
        if "grant_type" in given:
            return self.api_key(given, "key_name")
        if set(given) != {"username", "password"}:
            return Answer(400, {"message": "username and password, please"})
        if (given["username"], given["password"]) != (known["user"], known["password"]):
            return self.denied()
        return self.issue("user", known["user_status"])

    def nbapi(self, body):
        return self.api_key(self.json_of(body), "key_id")

    def me(self, _):
        if self.server.alive(self.bearer(), "key"):
            return Answer(403, {"message": "not for API keys"})
        if not self.server.alive(self.bearer(), "user"):
            return Answer(401, {"message": "Unauthorized"})
        return Answer(200, {"roles": [
            {"tenant_name": f"tenant-{i}", "tenant_id": tenant,
             "role_name": role, "role_id": f"{i}-{role}"}
            for i, tenant in enumerate(self.server.settings["tenants"])
            for role in ("Tenant Admin", "Operator")]})

    def api(self, _):
        if not self.server.alive(self.bearer(), "user", "key"):
            return Answer(401, {"message": "Unauthorized"})
        if self.headers.get("x-tenant-id") not in self.server.settings["tenants"]:
            return Answer(403, {"message": "x-tenant-id is missing, or no tenant of yours"})
        return Answer(200, {"devices": []})

    # --- Edge Intelligence

    def ei_ends(self, ends_at):
        said, known = {}, self.server.settings
        if known["ei_expiry"] in ("both", "seconds"):
            said["expirySeconds"] = self.server.life()
        if known["ei_expiry"] in ("both", "at"):
            at = datetime.datetime.fromtimestamp(ends_at + known["ei_skew"], datetime.timezone.utc)
            said["expiresAt"] = at.strftime("%Y-%m-%dT%H:%M:%S.%f303Z")
        return said

    def ei(self, body):
        given, known = self.json_of(body), self.server.settings
        if set(given) != {"username", "password"}:
            raise Refused(envelope(400, "username and password, please"))
        if (given["username"], given["password"]) != (known["user"], known["password"]):
            return self.denied()
        if known["first_login"]:
            return envelope(200, "Password change needed")
        value, ends_at = self.server.issue("ei", lambda number, end: standin.make_jwt(
            {"alg": "HS256"}, {"username": known["user"], "token_version": number,
                               "secret": "in-claims", "exp": int(end)}))
        return envelope(200, "Login successful", data={"token": value} | self.ei_ends(ends_at))

    def pipelines(self, _):
        if self.server.alive(self.bearer(), "ei"):
            return envelope(200, "", data=[])
        return envelope(401, "token is not valid")


if __name__ == "__main__":
    standin.main(Cisco, Handler, "a stand-in for Cisco's IoT Operations Dashboard and Edge Intelligence")
