"""An OpenID Connect provider over real HTTP: discovery, keys, authorization code with PKCE, signed tokens.

`spoil` lets a test make it answer wrongly, the way a broken or hostile provider would.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "countersign", "a secret: with/odd signs"


class Issuer:
    """One provider. `subject`: who signs in there. `claims`: further claims of the token."""

    def __init__(self) -> None:
        self.subject = "248289761001"
        self.claims: dict[str, Any] = {}
        self.spoil: Callable[[dict[str, Any]], None] = lambda claims: None
        self.signed: Callable[[dict[str, Any]], str] = self._sign
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "k1"
        self.codes: dict[str, dict[str, str]] = {}
        self.answers: dict[str, str] = {}  # what the answer to the browser carries besides or instead
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.issuer = self.url + "/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def provider(self, **more: Any) -> dict[str, Any]:
        """As the settings of the portal name it."""
        return {
            "key": "corp",
            "name": "Corporate sign-in",
            "issuer": self.issuer,
            "client_id": CLIENT,
            "client_secret": SECRET,
            **more,
        }

    def rotate(self) -> None:
        self.key, self.kid = rsa.generate_private_key(public_exponent=65537, key_size=2048), "k2"

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid})

    # What it answers

    def description(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def keys(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {
            "keys": [{"kty": "oct", "k": "AAAA", "kid": self.kid}, public | {"kid": self.kid, "use": "sig"}]
        }

    def authorize(self, asked: dict[str, str]) -> str:
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        given = {"code": code, "state": asked["state"], "iss": self.issuer} | self.answers
        return f"{asked['redirect_uri']}?{urlencode(given)}"

    def token(self, asked: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        client, _, secret = pair.partition(":")
        if (unquote(client), unquote(secret)) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        began = self.codes.pop(asked["code"], None)  # each code once
        hashed = hashlib.sha256(asked["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        if began is None or began["code_challenge"] != challenge or began["code_challenge_method"] != "S256":
            return 400, {"error": "invalid_grant"}
        if began["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        moment = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": moment,
            "exp": moment + 300,
            "nonce": began["nonce"],
            **self.claims,
        }
        self.spoil(claims)
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.signed(claims)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_args: Any) -> None:
                """Quiet."""

            def answer(self, given: dict[str, Any], status: int = 200) -> None:
                body = json.dumps(given).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/.well-known/openid-configuration":
                    self.answer(issuer.description())
                elif parts.path == "/keys":
                    self.answer(issuer.keys())
                elif parts.path == "/authorize":
                    self.send_response(302)
                    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                    self.send_header("Location", issuer.authorize(asked))
                    self.end_headers()
                else:
                    self.answer({"error": quote(self.path)}, 404)

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                asked = {name: values[0] for name, values in parse_qs(raw).items()}
                status, given = issuer.token(asked, self.headers.get("Authorization", ""))
                self.answer(given, status)

        return Handler
