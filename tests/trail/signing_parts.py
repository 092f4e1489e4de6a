"""What the state machine of signing is made of: people, what they are shown and send, what a signature must have."""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from apps.access import acts
from apps.access.ceremony import Listed
from apps.access.signing import SignatureInput, content_of
from apps.accounts.models import User
from apps.core.digests import canonical_json
from apps.trail import offline, sealer
from apps.trail.identity import keys
from apps.trail.merkle import verify_inclusion
from apps.trail.models import Entry, Kind, Signature
from apps.trail.statements import signature_mac_content
from apps.verification.acts import write_requirement
from apps.verification.models import Requirement
from tests.access.people import crowd
from tests.cast import World, give
from tests.factories.factors import app_for, passkey_for
from tests.factories.foundation import signed_use
from tests.factories.issuer import Issuer
from tests.factories.verification import REQUIREMENT

ACT = "verification.approve_requirement"
FAILURES, LOCKED = 3, 900  # settings.SIGNING_FAILURES and LOCKOUT_SECONDS, as the documentation says them
FRESH, OPEN = 300, 960  # how long a fresh authentication and a page opened count, seconds
STEP = 30
RECORDS = 8
PEOPLE = ("tessa_totp", "kay_passkey", "sol_sso", "bea_bare")
LINKED = ("sol_sso", "bea_bare")  # who comes by single sign-on; the second holds no second factor
FIRSTS = (*("password",) * 8, "wrong", "empty")
SECONDS = (*("right",) * 8, "wrong", "replayed", "missing", "another's", "elsewhere")
TOKENS = (*("good",) * 6, "old", "missing", "future", "another subject", "replayed nonce")


class Clock:
    """The clock of the portal, stopped: a module that asks `time.time()` gets this in the place of `time`."""

    def __init__(self) -> None:
        self.at = self.began = time.time()

    def time(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()

    def system(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.at, datetime.UTC)


@dataclass
class Person:
    """One signer, and what the model knows of them."""

    user: User
    secret: bytes = b""
    device: Any = None
    factor: Any = None
    used_step: int = 0
    count: int = 0  # of the passkey, as the portal last saw it
    failures: int = 0
    locked_until: float = 0.0
    trained: bool = False
    known: bool = True  # somebody confirmed who they are, since their name was corrected
    active: bool = True


@dataclass
class Committee:
    """What every run of the machine begins with."""

    world: World
    issuer: Issuer
    clock: Clock
    people: dict[str, Person]
    records: list[int]


def committee(world: World, issuer: Issuer, ticking: Clock) -> Committee:
    """Four approvers: with an app, with a passkey, by single sign-on with an app, and without a second factor."""
    signed_use(world)
    people: dict[str, Person] = {}
    for name, user in crowd(world, PEOPLE).items():
        give(world, name, "approver", world.model)
        people[name] = Person(user)
    for name in LINKED:
        made = acts.propose_link(
            world.administrator, people[name].user.pk, provider="corp", subject=f"subject of {name}"
        )
        acts.confirm_link(people[name].user, made.pk)
    for name in ("tessa_totp", "sol_sso"):
        people[name].factor, people[name].secret = app_for(people[name].user)
    kay = people["kay_passkey"]
    kay.factor, kay.device = passkey_for(kay.user)
    return Committee(world, issuer, ticking, people, [written(world) for _ in range(RECORDS)])


def written(world: World) -> int:
    """A requirement that waits for approval."""
    reason = "From the intended use"
    return write_requirement(world.process_expert, world.model.pk, given=REQUIREMENT, reason=reason).pk


@dataclass(frozen=True)
class Showing:
    """Records shown to one person, with the content as it was: what they would sign."""

    person: str
    listed: tuple[Listed, ...]
    contents: tuple[str, ...]
    nonce: str
    at: float


@dataclass(frozen=True)
class Answer:
    """What a passkey said: over which challenge, and its counter then."""

    text: str
    over: str
    count: int


@dataclass(frozen=True)
class Attempt:
    """A form that was sent. `signed`: the signatures it made; sent again as it was, it must make no more."""

    showing: Showing
    given: SignatureInput
    key: str
    signed: tuple[str, ...] = field(default=())


def shown_now(pk: int) -> str:
    """The content of a record as it is now, as a person reads it."""
    return json.dumps(content_of(Requirement.objects.get(pk=pk)), sort_keys=True)


def digest_of(shown: str) -> str:
    """The digest that belongs to a content, computed here from what was shown."""
    return f"sha256:{hashlib.sha256(canonical_json(json.loads(shown))).hexdigest()}"


def whole(signature: Signature, user: User, one: Listed, content: str, given: SignatureInput) -> None:
    """Everything a signature must have: both components, the content that was shown, a receipt that holds offline."""
    first = "sso" if given.fresh is not None else "password"
    assert signature.factors == [first, "totp" if given.code else "passkey"]
    assert (signature.signer_id, signature.printed_name) == (user.pk, user.printed_name)
    assert (signature.decision, signature.reason) == (one.decision, one.reason)
    assert signature.content_digest == one.digest == digest_of(content)
    statement = json.loads(signature.statement)
    raw = canonical_json(statement)
    assert raw.decode() == signature.statement
    assert signature.statement_digest == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert (statement["content_digest"], statement["factors"]) == (one.digest, signature.factors)
    assert keys().mac(signature_mac_content(signature)) == signature.mac
    entry = Entry.objects.get(kind=Kind.ACT, act_id=signature.act_id)
    facts = json.loads(entry.body)["facts"]
    assert facts["signatures"] == [str(signature.uuid)]
    assert "second_factor" in facts
    assert ("single_sign_on" in facts) == (first == "sso")
    receipt = sealer.receipt(entry)
    size, root = offline.open_checkpoint(receipt["checkpoint"], offline.read_key(receipt["verifier"]))
    head, body = receipt["head"].encode(), receipt["body"].encode()
    assert head[:64] == hashlib.sha256(body).hexdigest().encode()
    assert signature.statement_digest in receipt["body"]
    proof = [bytes.fromhex(step) for step in receipt["proof"]]
    verify_inclusion(hashlib.sha256(b"\x00" + head).digest(), receipt["index"], size, proof, root)
