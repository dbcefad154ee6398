#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""iam.py: a stand-in for INDIGO IAM, as catalyst-iam-oauth.md section 2 describes it.

It is started, told and asked as person.py says. What a client sees, and the section that says so:
    GET  /.well-known/openid-configuration     2.2; the RFC 8414 path is not served
    POST /token                                2.3 to 2.8
    POST /devicecode                           2.6
    POST /revoke /introspect                   2.7, 2.8
    *    /iam/api/client-registration[/ID]     2.9
    GET  /jwk /userinfo
What a person sees:
    GET  /device[?user_code=CODE]              a page
    POST /device   user_code, approve=true|false
What a test sees besides:
    GET  /_clients              what is registered
Kinds are token, devicecode, device, revoke, introspect, registration, discovery, userinfo, jwk; grants
of token: poll, refresh, password, client_credentials, exchange; of registration: register, unregister.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
import uuid
from urllib.parse import parse_qs, urlsplit

sys.dont_write_bytecode = True
import assertion  # noqa: E402
import person  # noqa: E402
from fake import error  # noqa: E402
from standin import Answer  # noqa: E402

DEFAULTS = person.DEFAULTS | {
    "mode": "ok",               # of /token
    "device": "ok",             # of /devicecode
    "registration": "ok",       # users: only who has logged in; off
    "revoke": "ok",
    "introspect": "ok",         # forbidden
    "discovery": "ok",          # no_slash, wrong_issuer
    "expires_in": 3600,         # of access tokens; null: they never expire
    "refresh_expires_in": 2592000,  # 0: never
    "id_expires_in": 600,
    "code_expires_in": 600,     # of device codes
    "interval": None,           # seconds; IAM says none (2.6), which makes it 5
    "complete": True,           # verification_uri_complete is sent
    "denial": False,            # polls tell of a Deny, as RFC 8628 has it; IAM never does (2.6)
    "cleanup": False,           # the job that takes expired device codes away has run
    "reuse_refresh_token": True,
    "clear_access_tokens_on_refresh": True,
    "aup": False,               # the user must sign the AUP
    "user_suspended": False,
    "client_suspended": False,
    "client_key": None,         # of the client `signer`: a public key in PEM
    "exchange": True,           # the policy says yes
    "refused_scopes": [],       # left out of what is granted
    "restricted_scopes": [],    # left out of what a client registers
    "new_registration_token": False,  # a PUT answers with another one
    "profile": "iam",           # iam, wlcg: of clients without a scope wlcg
    "password": "alice-password",
}

GRANTS = {
    "client_credentials": "client_credentials",
    "password": "password",
    "refresh_token": "refresh",
    "urn:ietf:params:oauth:grant-type:device_code": "poll",
    "urn:ietf:params:oauth:grant-type:token-exchange": "exchange",
}
JWT = "urn:ietf:params:oauth:token-type:jwt"
ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"
SCOPES = ("openid profile email offline_access wlcg wlcg.groups storage.read:/ storage.create:/ "
          "storage.modify:/ compute.read compute.create")
RESERVED = ("registration-token", "resource-token")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def coded(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def client(name, secret, **more):
    """One of those that an admin made; they may use every grant."""
    return {"client_id": name, "client_secret": secret, "client_name": name, "scope": SCOPES,
            "grant_types": list(GRANTS), "introspects": True,
            "token_endpoint_auth_method": "client_secret_basic" if secret else "none"} | more


class State:
    """What a restart keeps."""

    def __init__(self):
        self.key = secrets.token_bytes(32)
        self.counter = 0
        self.access = {}   # value -> issued_at, expires_in, active, client_id, scope, refresh, …
        self.refresh = {}  # value -> client_id, scope, audience, resource, user, expires_at
        self.codes = {}    # device code -> user_code, client_id, scope, resource, expires_at, state
        self.clients = {
            "client": client("client", "client-secret"),
            "other": client("other", "other-secret"),
            "public": client("public", None),
            "signer": client("signer", None, token_endpoint_auth_method="private_key_jwt"),
            "sharer": client("sharer", "shared-by-both-and-of-32-bytes-at-least",
                             token_endpoint_auth_method="client_secret_jwt"),
            "limited": client("limited", "limited-secret", introspects=False,
                              grant_types=["refresh_token"]),
        }


class Server(person.Server):
    defaults = DEFAULTS
    switches = ("mode", "device", "registration", "revoke", "introspect", "discovery")
    words = {"registration": ("users", "off"), "introspect": ("forbidden",),
             "discovery": ("no_slash", "wrong_issuer")}

    def __init__(self, port, tls, path):
        super().__init__(port, tls, Handler, State(), path)
        self.checker = assertion.Checker()

    @property
    def issuer(self):
        return self.base + "/"

    # --- tokens

    def sign(self, claims):
        body = f"{coded({'alg': 'HS256', 'kid': 'rsa1'})}.{coded(claims)}"
        return f"{body}.{coded(hmac.digest(self.state.key, body.encode(), hashlib.sha256))}"

    def claims(self, what, profile):
        now = time.time()
        claims = {"iss": self.issuer, "sub": what["sub"], "iat": int(now), "jti": str(uuid.uuid4()),
                  "client_id": what["client_id"], "scope": what["scope"]}
        audience = what["audience"].split()
        if profile == "wlcg":
            claims |= {"wlcg.ver": "1.0", "nbf": int(now)}
            audience = audience or [ANY_AUDIENCE]
        if audience:
            claims["aud"] = audience[0] if len(audience) == 1 else audience
        if what["expires_in"] is not None:
            claims["exp"] = int(now + what["expires_in"])
        if what.get("actor"):
            claims["act"] = {"sub": what["actor"]}
        return claims

    def issue(self, what):
        """One more access token: what the answer says (2.3)."""
        with self.changed:
            self.state.counter += 1
            what = what | {"issued_at": time.time(), "active": True,
                           "expires_in": self.settings["expires_in"]}
            words = what["scope"].split()
            wlcg = {"wlcg", "wlcg:1.0"} & set(words)
            value = self.sign(self.claims(what, "wlcg" if wlcg else self.settings["profile"]))
            self.state.access[value] = what
        body = {"access_token": value, "token_type": "Bearer", "scope": what["scope"]}
        if what["expires_in"] is not None:
            body["expires_in"] = max(0, int(what["expires_in"]) - 1)
        if "openid" in words and what["user"]:
            body["id_token"] = self.sign({
                "iss": self.issuer, "sub": what["sub"], "aud": what["client_id"],
                "exp": int(time.time() + self.settings["id_expires_in"])})
        return body

    def new_refresh(self, what):
        claims = {"jti": str(uuid.uuid4())}
        life = self.settings["refresh_expires_in"]
        if life:
            claims["exp"] = int(time.time() + life)
        value = f"{coded({'alg': 'none'})}.{coded(claims)}."
        with self.changed:
            self.state.refresh[value] = {
                key: what[key] for key in ("client_id", "scope", "audience", "user", "sub")}
            self.state.refresh[value]["resource"] = what.get("resource", "")
            self.state.refresh[value]["expires_at"] = time.time() + life if life else None
        return value

    def new_refresh_token(self):
        """For tests, as if somebody had logged in."""
        return self.new_refresh({
            "client_id": "client", "scope": SCOPES, "audience": "", "user": "alice",
            "sub": self.subject("alice")})

    def subject(self, user):
        return str(uuid.uuid5(uuid.NAMESPACE_URL, user))

    def find_refresh(self, value):
        known = self.state.refresh.get(value)
        if known and known["expires_at"] and time.time() >= known["expires_at"]:
            return None
        return known

    def clear_access(self, refresh):
        """The access tokens of one refresh token: the foreign key cascades (2.7)."""
        with self.changed:
            for token in self.state.access.values():
                if token.get("refresh") == refresh:
                    token["active"] = False

    def drop_refresh(self, value):
        self.clear_access(value)
        self.state.refresh.pop(value, None)

    def alive(self, value):
        token = self.state.access.get(value)
        if not token or not token["active"]:
            return False
        return token["expires_in"] is None or time.time() < token["issued_at"] + token["expires_in"]


class Handler(person.Handler):
    def basic(self):
        header = self.headers.get("Authorization", "")
        if not header.startswith("Basic "):
            return None
        try:
            name, _, secret = base64.b64decode(header[6:], validate=True).decode().partition(":")
        except ValueError:
            return None
        return name, secret

    def asserted(self):
        """The client that its assertion shows, for the token URL exactly (2.8); or None."""
        server, name = self.server, self.first("client_id")
        known = server.state.clients.get(name)
        way = known["token_endpoint_auth_method"] if known else ""
        key = {"private_key_jwt": server.settings["client_key"],
               "client_secret_jwt": (known["client_secret"] or "").encode() if known else None}.get(way)
        if self.basic() or server.checker.client(self.form, name, server.issuer + "token", key):
            return None
        return None if server.settings["client_suspended"] else known

    def authenticated(self, body_too=True):
        """The client, or None (2.1)."""
        form, pair = self.form, self.basic()
        if not pair and body_too:
            pair = form.get("client_id"), form.get("client_secret")
        known = self.server.state.clients.get(pair[0]) if pair else None
        if not known or self.server.settings["client_suspended"] or known[
                "token_endpoint_auth_method"].endswith("_jwt"):
            return None
        return known if (known["client_secret"] or None) == (pair[1] or None) else None

    @staticmethod
    def bad_client(text="Bad client credentials"):
        return error(401, "invalid_client", text)

    # --- the token endpoint

    def granted(self, wanted, most):
        """(scopes, None) or (None, the refusal)."""
        allowed, words = most.split(), (wanted or most).split()

        def covers(scope):
            return any(scope == one or (":" in one and scope.startswith(one.rstrip("/") + "/"))
                       or (one.endswith(":/") and scope.startswith(one)) for one in allowed)
        beyond = [word for word in words if not covers(word) or ".." in word]
        if beyond:
            return None, error(400, "invalid_scope", f"Invalid scope: {' '.join(beyond)}")
        refused = self.server.settings["refused_scopes"]
        return " ".join(word for word in words if word not in refused), None

    def audience(self, inherited=""):
        """The first that is not empty of resource, aud, audience; the first value of each (2.8)."""
        given = (self.first(name) for name in ("resource", "aud", "audience"))
        return next((value for value in given if value), inherited)

    def bad_resource(self, granted=None):
        for one in self.first("resource").split():
            parts = urlsplit(one)
            if not parts.scheme or not parts.netloc or parts.query or parts.fragment:
                return error(400, "invalid_target", f"The resource is not a valid URI: {one}")
            if granted and one not in granted.split():
                return error(400, "invalid_target", "The resource was not granted")
        return None

    def must_sign(self, user):
        if user and self.server.settings["aup"]:
            return error(400, "invalid_grant", f"User {user} needs to sign AUP for this "
                         "organization in order to proceed.")
        return None

    def with_refresh(self, what, known):
        """Issues; with a refresh token where offline_access was granted (2.3)."""
        value = None
        if ("offline_access" in what["scope"].split() and what["user"]
                and "refresh_token" in known["grant_types"]):
            value = self.server.new_refresh(what)
        body = self.server.issue(what | {"refresh": value})
        if value:
            body["refresh_token"] = value
        return body

    def grant_client_credentials(self, known):
        scope, refusal = self.granted(self.form.get("scope"), known["scope"])
        if refusal:
            return refusal
        return Answer(200, self.server.issue({
            "client_id": known["client_id"], "scope": scope, "audience": self.audience(),
            "user": None, "sub": known["client_id"]}))

    def grant_password(self, known):
        form, server = self.form, self.server
        user = form.get("username")
        if user != "alice" or form.get("password") != server.settings["password"]:
            return error(400, "invalid_grant", "Bad credentials")
        refusal = self.must_sign(user)
        if not refusal:
            scope, refusal = self.granted(form.get("scope"), known["scope"])
        return refusal or Answer(200, self.with_refresh({
            "client_id": known["client_id"], "scope": scope, "audience": self.audience(),
            "user": user, "sub": server.subject(user)}, known))

    def grant_refresh(self, known):
        server, value = self.server, self.form.get("refresh_token", "")
        what = server.find_refresh(value)
        if not what:
            return error(401, "invalid_token", f"Invalid refresh token: {value}")
        if what["client_id"] != known["client_id"]:
            server.drop_refresh(value)
            return self.bad_client("Client does not own refresh token")
        if server.settings["user_suspended"]:
            return error(401, "unauthorized", f"User {what['user']} is not active.")
        scope, refusal = self.granted(self.form.get("scope"), what["scope"])
        if refusal:
            refusal = error(400, "invalid_scope", "Up-scoping is not allowed.")
        refusal = self.must_sign(what["user"]) or refusal or self.bad_resource(what["resource"])
        if refusal:
            return refusal
        if server.settings["clear_access_tokens_on_refresh"]:
            server.clear_access(value)
        if not server.settings["reuse_refresh_token"]:
            value_before, value = value, server.new_refresh(what)
            server.drop_refresh(value_before)
        body = server.issue(what | {"scope": scope, "audience": self.audience(what["audience"]),
                                    "refresh": value})
        return Answer(200, body | {"refresh_token": value})

    def grant_poll(self, known):
        server, value = self.server, self.form.get("device_code", "")
        code = server.state.codes.get(value)
        if not code or code["client_id"] != known["client_id"] or (
                server.settings["cleanup"] and time.time() >= code["expires_at"]):
            return error(400, "invalid_grant", f"Invalid device code: {value}")
        with server.changed:
            code["polls"] += 1
            server.changed.notify_all()
        if time.time() >= code["expires_at"]:
            del server.state.codes[value]
            return error(400, "expired_token", f"Device code has expired {value}")
        if code["state"] == "denied" and server.settings["denial"]:
            return error(400, "access_denied", "The user denied it")
        if code["state"] != "approved":
            return error(400, "authorization_pending", f"Authorization pending for code {value}")
        refusal = self.bad_resource(code["resource"])
        if refusal:
            return refusal
        del server.state.codes[value]
        return Answer(200, self.with_refresh({
            "client_id": known["client_id"], "scope": code["scope"],
            "audience": self.audience(code["resource"]), "resource": code["resource"],
            "user": "alice", "sub": server.subject("alice")}, known))

    def grant_exchange(self, known):
        form, server = self.form, self.server
        subject = server.state.access.get(form.get("subject_token"))
        if "actor_token" in form or form.get("want_composite") == "true":
            return error(400, "invalid_request", "Delegation not supported")
        if not form.get("scope"):
            return error(400, "invalid_request", "The scope parameter is required")
        if not subject or not server.alive(form["subject_token"]):
            return error(401, "invalid_token", f"Invalid access token: {form.get('subject_token')}")
        same = subject["client_id"] == known["client_id"]
        if not server.settings["exchange"] or (
                same and "offline_access" in form["scope"].split()):
            return error(403, "access_denied", "Token exchange not allowed")
        refusal = self.must_sign(subject["user"])
        if not refusal:
            scope, refusal = self.granted(form["scope"], known["scope"])
        return refusal or Answer(200, self.with_refresh({
            "client_id": known["client_id"], "scope": scope, "audience": self.audience(),
            "user": subject["user"], "sub": subject["sub"],
            "actor": known["client_id"]}, known) | {"issued_token_type": JWT})

    def token(self, form):
        time.sleep(self.server.settings["delay"])
        dictated, answer = self.settled("mode")
        if dictated:
            return answer
        kind = self.first("grant_type")
        known = self.asserted() if "client_assertion" in self.form else self.authenticated()
        if not known:
            return self.bad_client(f"Bad client credentials: {self.first('client_assertion')}")
        if kind not in GRANTS:
            return error(400, "unsupported_grant_type", f"Unsupported grant type: {kind}")
        if kind not in known["grant_types"]:
            return self.bad_client(f"Unauthorized grant type: {kind}")
        return self.bad_resource() or getattr(self, "grant_" + GRANTS[kind])(known)

    # --- the device flow

    def devicecode(self, form):
        server, settings = self.server, self.server.settings
        dictated, answer = self.settled("device")
        if dictated:
            return answer
        if not form.get("client_id", "").strip():
            return Answer(400)
        known = server.state.clients.get(form["client_id"])
        if not known:
            return Answer(404)
        scope, refusal = self.granted(form.get("scope"), known["scope"])
        refusal = refusal or self.bad_resource()
        if refusal:
            return refusal
        user_code = "".join(secrets.choice(ALPHABET) for _ in range(6))
        value = str(uuid.uuid4())
        with server.changed:
            server.state.codes[value] = {
                "user_code": user_code, "client_id": known["client_id"], "scope": scope,
                "resource": self.first("resource"), "state": "pending", "polls": 0,
                "expires_at": time.time() + settings["code_expires_in"]}
        body = {"device_code": value, "user_code": user_code, "verification_uri": server.issuer + "device",
                "expires_in": settings["code_expires_in"]}
        if settings["interval"] is not None:
            body["interval"] = settings["interval"]
        if settings["complete"]:
            body["verification_uri_complete"] = f"{server.issuer}device?user_code={user_code}"
        return Answer(200, body)

    # --- what else there is

    def revoke(self, form):
        dictated, answer = self.settled("revoke")
        if dictated:
            return answer
        known, value = self.authenticated(), form.get("token")
        if not known or not known["client_secret"]:
            return error(401, "unauthorized", "Full authentication is required")
        state = self.server.state
        what = state.access.get(value) or state.refresh.get(value)
        if what and what["client_id"] != known["client_id"]:
            return Answer(403)
        with self.server.changed:
            if value in state.refresh:
                self.server.drop_refresh(value)
            elif what:
                what["active"] = False
        return Answer(200)

    def introspect(self, form):
        dictated, answer = self.settled("introspect")
        if dictated:
            return answer
        known = self.authenticated(body_too=False)
        if not known or not known["client_secret"]:
            return error(401, "unauthorized", "Full authentication is required")
        if not known.get("introspects") or self.server.settings["introspect"] == "forbidden":
            return Answer(403)
        value = form.get("token")
        if not self.server.alive(value):
            return Answer(200, {"active": False})
        what = self.server.state.access[value]
        body = {"active": True, "scope": what["scope"], "sub": what["sub"], "token_type": "Bearer",
                "client_id": what["client_id"], "iss": self.server.issuer, "aud": what["audience"]}
        if what["user"]:
            body |= {"user_id": what["user"], "name": "Alice"}
        if what["expires_in"] is not None:
            exp = int(what["issued_at"] + what["expires_in"])
            body |= {"exp": exp, "expires_at": time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(exp))}
        return Answer(200, body)

    def discovery(self):
        dictated, answer = self.settled("discovery")
        if dictated:
            return answer
        if not self.path.endswith("/openid-configuration"):
            return Answer(404)
        issuer, mode = self.server.issuer, self.server.settings["discovery"]
        return Answer(200, {
            "issuer": {"wrong_issuer": "https://another.example/",
                       "no_slash": issuer.rstrip("/")}.get(mode, issuer),
            "authorization_endpoint": issuer + "authorize",
            "token_endpoint": issuer + "token",
            "userinfo_endpoint": issuer + "userinfo",
            "jwks_uri": issuer + "jwk",
            "registration_endpoint": issuer + "iam/api/client-registration",
            "introspection_endpoint": issuer + "introspect",
            "revocation_endpoint": issuer + "revoke",
            "device_authorization_endpoint": issuer + "devicecode",
            "scim_endpoint": issuer + "scim",
            "op_policy_uri": issuer + "about", "op_tos_uri": issuer + "about",
            "response_types_supported": ["code", "token"],
            "grant_types_supported": ["authorization_code", "implicit", *GRANTS],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic", "client_secret_post", "client_secret_jwt",
                "private_key_jwt", "none"],
            "token_endpoint_auth_signing_alg_values_supported": ["HS256", "RS256", "ES256"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "scopes_supported": SCOPES.split(),
            "subject_types_supported": ["public", "pairwise"],
        })

    def userinfo(self):
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and self.server.alive(value):
            return Answer(200, {"sub": self.server.state.access[value]["sub"]})
        return Answer(401, WWW_Authenticate='Bearer error="invalid_token"')

    # --- client registration (2.9)

    @staticmethod
    def wrong(status, text):
        return Answer(status, {"error": text})

    def mistake(self, asked):
        """What is wrong with a registration, or None."""
        if not isinstance(asked, dict):
            return "the body is no JSON object"
        name, grants, scope = (asked.get(key) for key in ("client_name", "grant_types", "scope"))
        if not isinstance(name, str) or not 4 <= len(name) <= 256:
            return "registerClient.request.clientName: Invalid length: must be between 4 and 256 characters"
        if not isinstance(grants, list) or not grants:
            return "registerClient.request.grantTypes: must not be empty"
        if not isinstance(scope or "", str) or len((scope or "").split()) > 512:
            return "registerClient.request.scope: too many scopes"
        method = asked.get("token_endpoint_auth_method")
        if method == "private_key_jwt" and not asked.get("jwks_uri") and not asked.get("jwk"):
            return "private_key_jwt requires a jwks_uri or a jwk"
        barred = {"password", "client_credentials", list(GRANTS)[4]} & set(grants)
        return f"Grant type not allowed: {sorted(barred)[0]}" if barred else None

    def take_over(self, known, asked):
        """Sets what was asked for, less what the server does not give; adds what it adds."""
        for key in ("client_name", "grant_types", "scope", "redirect_uris", "contacts", "jwk",
                    "jwks_uri", "token_endpoint_auth_method"):
            known.pop(key, None)
            if asked.get(key):
                known[key] = asked[key]
        barred = set(RESERVED) | set(self.server.settings["restricted_scopes"])
        words = known.get("scope", "openid profile").split()
        known["scope"] = " ".join(word for word in words if word not in barred)
        known.setdefault("token_endpoint_auth_method", "client_secret_basic")
        if "offline_access" in known["scope"].split() and "refresh_token" not in known["grant_types"]:
            known["grant_types"] = known["grant_types"] + ["refresh_token"]
        if known["token_endpoint_auth_method"] == "none":
            known["client_secret"] = None

    def shown(self, known):
        return {key: value for key, value in known.items()
                if value is not None and key not in ("registration", "introspects")} | {
            "registration_client_uri":
                f"{self.server.issuer}iam/api/client-registration/{known['client_id']}",
            "reuse_refresh_token": self.server.settings["reuse_refresh_token"],
            "clear_access_tokens_on_refresh":
                self.server.settings["clear_access_tokens_on_refresh"]}

    def register(self, body):
        mode = self.server.settings["registration"]
        if mode == "off":
            return self.wrong(400, "Client registration is disabled")
        if mode == "users":
            return self.wrong(403, "User not authorized to register clients")
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        mistake = self.mistake(asked)
        if not mistake and (asked.get("client_id") or asked.get("client_secret")):
            mistake = "registerClient.request.clientId: must be null"
        if mistake:
            return self.wrong(400, mistake)
        token = "registration-" + secrets.token_hex(24)
        known = {"client_id": str(uuid.uuid4()), "client_secret": secrets.token_urlsafe(64),
                 "registration": token, "created_at": int(time.time() * 1000)}
        self.take_over(known, asked)
        with self.server.changed:
            self.server.state.clients[known["client_id"]] = known
        return Answer(201, self.shown(known) | {"registration_access_token": token})

    def put(self, known, body):
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        mistake = self.mistake(asked)
        if mistake:
            return self.wrong(400, mistake)
        if asked.get("client_secret") not in (None, known["client_secret"]):
            return self.wrong(400, "the client secret is not the current one")
        self.take_over(known, asked)
        answer = self.shown(known)
        if self.server.settings["new_registration_token"]:
            known["registration"] = "registration-" + secrets.token_hex(24)
            answer["registration_access_token"] = known["registration"]
        return Answer(200, answer)

    def registration(self, name, body):
        dictated, answer = self.settled("registration")
        if dictated:
            return answer
        if not name:
            return self.register(body) if self.command == "POST" else Answer(405)
        clients = self.server.state.clients
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        owner = [key for key, one in clients.items() if one.get("registration") == token]
        if scheme != "Bearer" or not owner:
            return error(401, "invalid_token", f"Invalid access token: {token}")
        if name not in clients:
            return self.wrong(404, f"Client not found: {name}")
        if owner != [name]:
            return self.wrong(400, "not a registration token of this client")
        if self.server.settings["client_suspended"]:
            return self.wrong(403, "the client is suspended")
        if self.command == "GET":
            return Answer(200, self.shown(clients[name]))
        if self.command == "PUT":
            return self.put(clients[name], body)
        if self.command == "DELETE":
            with self.server.changed:
                del clients[name]
            return Answer(204)
        return Answer(405)

    # --- what tests ask for

    def tokens(self):
        return [{"access_token": value, "scope": token["scope"], "issued_at": token["issued_at"],
                 "expires_in": token["expires_in"], "client_id": token["client_id"],
                 "audience": token["audience"], "active": self.server.alive(value)}
                for value, token in list(self.server.state.access.items())]

    def grants(self):
        return [{"refresh_token": value, "client_id": what["client_id"], "scope": what["scope"],
                 "active": bool(self.server.find_refresh(value))}
                for value, what in list(self.server.state.refresh.items())]

    def answers_of_test(self):
        return super().answers_of_test() | {
            "_clients": lambda *_: json.dumps(list(self.server.state.clients.values()))}

    def grant_of(self, kind):
        if kind == "token":
            return GRANTS.get(self.first("grant_type"))
        commands = {"POST": "register", "DELETE": "unregister"}
        return commands.get(self.command) if kind == "registration" else None

    def answer_client(self, parts, body):
        name = parts[0]
        self.form = form = {key: values[0] if len(values) == 1 else values
                            for key, values in parse_qs(body, keep_blank_values=True).items()}
        path = self.path.partition("?")[0].strip("/")
        kind = {".well-known": "discovery", "iam": "registration"}.get(name, name)
        self.note(kind, body, form)
        if path.startswith("iam/api/client-registration"):
            return self.registration(path[len("iam/api/client-registration"):].strip("/"), body)
        if kind == "device":
            query = parse_qs(self.path.partition("?")[2])
            self.form = {key: values[0] for key, values in query.items()} | form
            return self.page()
        posts = {"token": self.counted_token, "devicecode": self.devicecode, "revoke": self.revoke,
                 "introspect": self.introspect}
        gets = {"discovery": self.discovery, "userinfo": self.userinfo,
                "jwk": lambda: Answer(200, {"keys": []}, Cache_Control="max-age=21600")}
        if self.command == "POST" and kind in posts:
            return posts[kind](form)
        if self.command == "GET" and kind in gets:
            return gets[kind]()
        return Answer(405 if kind in posts or kind in gets else 404)


if __name__ == "__main__":
    person.main(Server, "a stand-in for INDIGO IAM")
