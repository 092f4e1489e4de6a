"""Passkeys (WebAuthn level 3): what is asked of the browser, and whether its answer holds. Nothing is written here.

User verification is always required: the authenticator asks for a PIN, finger or face, so that a found key is not
enough.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from fido2.rpid import verify_rp_id
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from apps.accounts.factors import Factor
from apps.accounts.models import User

UV = UserVerificationRequirement.REQUIRED
LONGEST = 20_000  # characters of an answer


class BadAnswer(ValueError):
    """The browser's answer does not hold; the text says why, for the trail."""


@dataclass(frozen=True)
class Made:
    """A new passkey: its id and credential (base64url), and the counter it began with."""

    credential_id: str
    credential: str
    sign_count: int


@dataclass(frozen=True)
class Shown:
    """An assertion that holds: by which passkey, its counter, and the bytes that prove it (base64url)."""

    factor: Factor
    sign_count: int
    proof: dict[str, str]


def rp_id() -> str:
    """The name passkeys are bound to: the portal's host. An address in numbers cannot be one; then it is localhost."""
    if settings.PASSKEY_HOST:
        return str(settings.PASSKEY_HOST)
    host = urlsplit(settings.PORTAL_URL).hostname or "localhost"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return "localhost"


def _server() -> Fido2Server:
    name = rp_id()
    return Fido2Server(
        PublicKeyCredentialRpEntity(id=name, name="Countersign"),
        verify_origin=lambda origin: _is_ours(name, origin),
    )


def _is_ours(name: str, origin: str) -> bool:
    """Over HTTPS the portal's own address alone, no other name below it; without (the demo), this machine."""
    ours = urlsplit(settings.PORTAL_URL)
    if ours.scheme == "https":
        return origin == f"https://{ours.netloc}"
    return verify_rp_id(name, origin)


def _data(factor: Factor) -> AttestedCredentialData:
    return AttestedCredentialData(websafe_decode(factor.credential))


def creation(user: User, existing: Iterable[Factor]) -> tuple[dict[str, Any], str]:
    """(options for `navigator.credentials.create`, their challenge)."""
    person = PublicKeyCredentialUserEntity(
        id=user.uuid.bytes, name=user.username, display_name=user.printed_name
    )
    options, state = _server().register_begin(
        person,
        [_data(factor) for factor in existing],
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UV,
    )
    return dict(options)["publicKey"], state["challenge"]


def request(factors: Iterable[Factor], challenge: bytes | None = None) -> tuple[dict[str, Any], str]:
    """(options for `navigator.credentials.get`, their challenge)."""
    options, state = _server().authenticate_begin(
        [_data(factor) for factor in factors], user_verification=UV, challenge=challenge
    )
    return dict(options)["publicKey"], state["challenge"]


def _read(answer: str) -> dict[str, Any]:
    if len(answer) > LONGEST:
        raise BadAnswer("the answer is too long")
    try:
        read = json.loads(answer)
    except ValueError as error:
        raise BadAnswer("the answer is not JSON") from error
    if not isinstance(read, dict):
        raise BadAnswer("the answer is not an object")
    return read


def made(answer: str, challenge: str) -> Made:
    """The passkey that the browser made for this challenge."""
    state = {"challenge": challenge, "user_verification": UV}
    try:
        found = _server().register_complete(state, _read(answer))
    except BadAnswer:
        raise
    except Exception as error:  # the bytes are a stranger's: the library raises whatever its parsers raise
        raise BadAnswer(f"{type(error).__name__}: {error}"[:200]) from error
    credential = found.credential_data
    if credential is None:
        raise BadAnswer("the answer has no credential")
    return Made(websafe_encode(credential.credential_id), websafe_encode(bytes(credential)), found.counter)


def shown(factors: Iterable[Factor], answer: str, challenge: str) -> Shown:
    """The passkey among `factors` that signed this challenge, with the person verified."""
    state = {"challenge": challenge, "user_verification": UV}
    by_id = {factor.credential_id: factor for factor in factors}
    given = _read(answer)
    try:
        response = AuthenticationResponse.from_dict(given)
        used = _server().authenticate_complete(state, [_data(f) for f in by_id.values()], response)
    except Exception as error:  # as above
        raise BadAnswer(f"{type(error).__name__}: {error}"[:200]) from error
    part = response.response
    return Shown(
        by_id[websafe_encode(used.credential_id)],
        part.authenticator_data.counter,
        {
            "client_data": websafe_encode(bytes(part.client_data)),
            "authenticator_data": websafe_encode(bytes(part.authenticator_data)),
            "signature": websafe_encode(part.signature),
        },
    )
