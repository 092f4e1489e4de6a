"""A real issuer of identities of CI jobs in a thread: discovery, keys, and tokens signed with them."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.factories.services import AUDIENCE, CLAIMS

MAKE = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass
class Issuer:
    """`url` is the issuer; `keys`: kid -> (algorithm, private key). `answers`: path -> (status, headers, body)."""

    url: str = ""
    keys: dict[str, tuple[str, Any]] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def new_key(self, algorithm: str = "RS256", kid: str = "") -> str:
        kid = kid or uuid.uuid4().hex
        self.keys[kid] = (algorithm, MAKE[algorithm]())
        return kid

    def jwks(self) -> bytes:
        rows = []
        for kid, (algorithm, key) in self.keys.items():
            as_jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
            rows.append(as_jwk | {"kid": kid, "use": "sig", "alg": algorithm})
        return json.dumps({"keys": rows}).encode()

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            body = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
            return 200, {}, json.dumps(body).encode()
        return (200, {}, self.jwks()) if path == "/jwks" else (404, {}, b"")

    def token(
        self, kid: str = "", *, key: Any = None, algorithm: str = "", headers: Any = None, **changes: Any
    ) -> str:
        """A job's token as a CI system makes it. A claim given as None is left out."""
        kid = kid or next(iter(self.keys))
        own_algorithm, own_key = self.keys.get(kid, ("RS256", None))
        moment = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "iat": moment,
            "nbf": moment,
            "exp": moment + 300,
            "jti": uuid.uuid4().hex,
            "sub": "repo:acme/lotx:ref:refs/heads/main",
            "repository": "acme/lotx",
            "sha": "4be19d0c",
            "run_id": "77",
            **CLAIMS,
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        header = {"kid": kid} | (headers or {})
        return jwt.encode(kept, key or own_key, algorithm=algorithm or own_algorithm, headers=header)


@contextmanager
def running() -> Iterator[Issuer]:
    """An issuer on a free port of this machine, with one RSA key."""
    issuer = Issuer()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            status, headers, body = issuer.answer(self.path)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # the portal hangs up on what is too long or too slow
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    issuer.new_key()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
