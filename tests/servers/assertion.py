# SPDX-License-Identifier: Apache-2.0
"""Assertions as a careful server checks them (RFC 7523; catalyst-iam-oauth.md 2.8 and 3.9).

    Checker().client(form, "client", audience, key)     a client shows who it is (J1)
    Checker().user(form, audience, key)                 a client speaks for a user (J3)

Both say what is wrong, or None. The key is a public one in PEM, for RS256 and ES256, or bytes that are
shared, for HS256. A jti works once, though IAM does not remember it: a client may not rely on that.
"""

import base64
import hashlib
import hmac
import json
import subprocess
import tempfile
import threading
import time

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SKEW = 300      # seconds that the clocks may differ by
LONGEST = 600   # seconds that an assertion may live


def decoded(text):
    if "=" in text:
        raise ValueError("padding")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def der(halves):
    """An ECDSA signature as openssl(1) wants it, of r and s (J5)."""
    numbers = b""
    for half in (halves[:32], halves[32:]):
        half = half.lstrip(b"\0") or b"\0"
        half = b"\0" + half if half[0] & 0x80 else half
        numbers += bytes((2, len(half))) + half
    return bytes((0x30, len(numbers))) + numbers


def openssl_takes(key, signed, signature):
    with tempfile.TemporaryDirectory() as place:
        for name, content in (("key", key.encode()), ("signature", signature)):
            with open(f"{place}/{name}", "wb") as file:
                file.write(content)
        return subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", f"{place}/key", "-signature", f"{place}/signature"],
            input=signed, capture_output=True, timeout=20, check=False).returncode == 0


def signature_is_good(algorithm, key, signed, signature):
    if isinstance(key, bytes):
        return algorithm == "HS256" and hmac.compare_digest(
            signature, hmac.digest(key, signed, hashlib.sha256))
    if algorithm == "ES256":
        return len(signature) == 64 and openssl_takes(key, signed, der(signature))
    return algorithm == "RS256" and openssl_takes(key, signed, signature)


class Checker:
    def __init__(self):
        self.seen = set()
        self.lock = threading.Lock()

    def once(self, claims):
        with self.lock:
            if claims["jti"] in self.seen:
                return False
            self.seen.add(claims["jti"])
            return True

    def mistake(self, text, issuer, subject, audience, key):
        """Of an assertion; issuer and subject are None where any will do."""
        try:
            head, body, signature = text.split(".")
            header, claims = json.loads(decoded(head)), json.loads(decoded(body))
            signature = decoded(signature)
        except (ValueError, AttributeError):
            return "no JWT"
        if key is None or not signature_is_good(
                header.get("alg"), key, f"{head}.{body}".encode(), signature):
            return "bad signature"
        now, end, aud = time.time(), claims.get("exp"), claims.get("aud")
        for name, wanted in (("iss", issuer), ("sub", subject)):
            if not claims.get(name) or wanted not in (None, claims[name]):
                return f"bad {name}"
        if audience not in (aud if isinstance(aud, list) else [aud]):
            return f"bad aud, it is to be {audience}"
        if not isinstance(end, int) or not now - SKEW <= end <= now + LONGEST:
            return "bad exp"
        if not claims.get("jti") or not self.once(claims):
            return "bad jti"
        return None

    def client(self, form, name, audience, key):
        if form.get("client_assertion_type") != KIND:
            return "bad client_assertion_type"
        if form.get("client_id", name) != name or "client_secret" in form:
            return "one client, and one way to show it"
        return self.mistake(form.get("client_assertion"), name, name, audience, key)

    def user(self, form, audience, key):
        return self.mistake(form.get("assertion"), None, None, audience, key)
