"""Tokens, made by hand: right ones and wrong ones. The library is another one than the server's."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

SECRET = "0123456789abcdef0123456789abcdef"
ENDS = object()  # no `exp`


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def part(value):
    return base64url(json.dumps(value).encode())


def claims(read=(), act=(), ends=3600, **more):
    out = {"exp": int(time.time()) + ends, "pgtally": {"read": list(read), "act": list(act)}, **more}
    return {name: value for name, value in out.items() if value is not None}


def signed(header, payload, sign):
    text = part(header) + "." + part(payload)
    return text + "." + base64url(sign(text.encode()))


def hs256(payload, secret=SECRET, **header):
    key = secret if isinstance(secret, bytes) else secret.encode()
    return signed({"alg": "HS256", "typ": "JWT", **header}, payload, lambda text: hmac.new(key, text, hashlib.sha256).digest())


def token(*rules, secret=SECRET, **more):
    """A right token for these tallies."""
    return hs256(claims(rules, **more), secret)


def bearer(text):
    return {"Authorization": "Bearer " + text}


class Key:
    """A key pair: "RS256", "ES256" or "EdDSA"."""

    def __init__(self, algorithm):
        self.algorithm = algorithm
        if algorithm == "RS256":
            self.private = rsa.generate_private_key(65537, 2048)
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()

    def sign(self, text):
        if self.algorithm == "RS256":
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "ES256":
            r, s = utils.decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(text)

    def token(self, payload, **header):
        return signed({"alg": self.algorithm, **header}, payload, self.sign)

    def pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, **more):
        def number(value, size=None):
            return base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))

        public = self.private.public_key()
        if self.algorithm == "RS256":
            n = public.public_numbers()
            return {"kty": "RSA", "n": number(n.n), "e": number(n.e), **more}
        if self.algorithm == "ES256":
            n = public.public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": number(n.x, 32), "y": number(n.y, 32), **more}
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url(raw), **more}


def jwks(*keys):
    return json.dumps({"keys": list(keys)})
