"""An authenticator in software: makes passkeys and answers challenges with real keys, like a browser's would."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

FLAG = AuthenticatorData.FLAG
ORIGIN = "http://localhost:8000"


class Authenticator:
    """One device with one passkey. `verifies`: whether it asked its person for PIN, finger or face."""

    def __init__(self, *, origin: str = ORIGIN, verifies: bool = True) -> None:
        self.origin, self.verifies = origin, verifies
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.count = 0

    def _flags(self, *more: int) -> int:
        flags = FLAG.UP
        if self.verifies:
            flags |= FLAG.UV
        for each in more:
            flags |= each
        return flags

    def _client(self, kind: str, challenge: str, origin: str = "") -> CollectedClientData:
        return CollectedClientData.create(
            type=kind, challenge=websafe_decode(challenge), origin=origin or self.origin
        )

    def makes(self, options: dict[str, Any], *, origin: str = "") -> str:
        """What the browser sends after `navigator.credentials.create(options)`."""
        client = self._client("webauthn.create", options["challenge"], origin)
        credential = AttestedCredentialData.create(
            Aaguid(bytes(16)), self.credential_id, ES256.from_cryptography_key(self.key.public_key())
        )
        data = AuthenticatorData.create(
            hashed(options["rp"]["id"]), self._flags(FLAG.AT), self.count, bytes(credential)
        )
        attestation = AttestationObject.create("none", data, {})
        return self._answer(
            {
                "clientDataJSON": websafe_encode(client),
                "attestationObject": websafe_encode(bytes(attestation)),
            }
        )

    def shows(self, options: dict[str, Any], *, challenge: str = "", origin: str = "") -> str:
        """What the browser sends after `navigator.credentials.get(options)`."""
        self.count += 1
        client = self._client("webauthn.get", challenge or options["challenge"], origin)
        data = AuthenticatorData.create(hashed(options["rpId"]), self._flags(), self.count)
        signature = self.key.sign(bytes(data) + client.hash, ec.ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": websafe_encode(client),
                "authenticatorData": websafe_encode(bytes(data)),
                "signature": websafe_encode(signature),
                "userHandle": None,
            }
        )

    def _answer(self, response: dict[str, Any]) -> str:
        own = websafe_encode(self.credential_id)
        return json.dumps(
            {
                "id": own,
                "rawId": own,
                "type": "public-key",
                "clientExtensionResults": {},
                "response": response,
            }
        )


def hashed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
