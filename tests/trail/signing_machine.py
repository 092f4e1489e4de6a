"""A state machine of signing: four people, records that change meanwhile, every way to show components rightly or not.

It keeps a small model of its own of what must sign (`Signing.expected`), written without the code it judges, and holds
the portal to it both ways: what lacks a component signs nothing, and what lacks nothing is signed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from apps.access import acts, factors, oidc, passkeys, totp
from apps.access.acting import ACTS
from apps.access.actors import Actor
from apps.access.ceremony import Fresh, Listed, as_text, challenge_of, fresh_from
from apps.access.models import TrainingMatrix, TrainingRecord
from apps.access.signing import SignatureInput, content_of
from apps.access.signing_together import sign_together
from apps.accounts.models import Lockout, User
from apps.core import clock
from apps.core.digests import canonical_json
from apps.core.errors import BadInput, Refused
from apps.trail import offline, sealer
from apps.trail.current import opened
from apps.trail.identity import keys
from apps.trail.merkle import verify_inclusion
from apps.trail.models import Entry, Kind, Signature
from apps.trail.statements import signature_mac_content
from apps.trail.writer import Who, record
from apps.verification.acts import write_requirement
from apps.verification.models import Requirement
from tests.access.people import crowd
from tests.cast import PASSWORD, World, give
from tests.factories.factors import app_for, passkey_for
from tests.factories.foundation import signed_use
from tests.factories.issuer import CLIENT, Issuer
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
    """The clock of the portal, stopped; `modules` that ask `time.time()` get this in the place of `time`."""

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
    """Three more approvers beside a bare one: with an app, with a passkey, by single sign-on with an app."""
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
    """A form that was sent and signed: sent again as it was, it must sign nothing more."""

    showing: Showing
    given: SignatureInput
    key: str
    signed: tuple[str, ...] = field(default=())


class Signing(RuleBasedStateMachine):
    """One example: a world of its own in a savepoint, taken back at the end."""

    base: Committee  # set by the test
    tally: Counter[str]

    showings = Bundle("showings")
    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        savepoint = transaction.atomic()
        savepoint._from_testcase = True  # acts open durable blocks inside
        self.stack.callback(self._begin_again)
        self.stack.enter_context(savepoint)
        self.stack.callback(transaction.set_rollback, True)
        self.clock, self.world = self.base.clock, self.base.world
        self.clock.at = self.clock.began
        clock.forget()
        self.people = {name: replace(each) for name, each in self.base.people.items()}
        self.matrix = False
        self.signed: dict[int, str] = {}  # requirement -> decision, as the model knows
        self.records = list(self.base.records)
        self.fresh: list[Fresh] = []
        self.codes: dict[str, str] = {}
        self.answers: dict[str, Answer] = {}  # the newest of each person's passkey
        self.used: set[str] = set()  # nonces whose passkey answer or fresh authentication was used
        self.before = set(Signature.objects.values_list("pk", flat=True))
        self.number = 0

    def teardown(self) -> None:
        self.stack.close()

    def _begin_again(self) -> None:
        self.clock.at = self.clock.began
        clock.forget()

    def _count(self, what: str) -> None:
        self.tally[what] += 1

    # ------------------------------------------------------------ what goes on around

    @property
    def open(self) -> list[int]:
        return [pk for pk in self.records if pk not in self.signed]

    @precondition(lambda self: len(self.open) < 3)
    @rule()
    def write_a_record(self) -> None:
        self._count("write a record")
        self.records.append(written(self.world))

    @rule(
        place=st.integers(0, 9), text=st.sampled_from(["It ranks lots.", "It ranks lots by risk.", "Other"])
    )
    def change_a_record(self, place: int, text: str) -> None:
        """What no act of today does to a requirement: content that changes between showing and signing."""
        if place > 3:
            return
        self._count("change a record")
        likely = self.open[-3:] or self.records
        row = Requirement.objects.get(pk=likely[place % len(likely)])
        by = self.world.process_expert
        with transaction.atomic(), opened("tests.change", user_id=by.pk) as act:
            row.text = text
            row.save()
            record(
                kind="act",
                act="tests.change",
                act_id=act.act_id,
                actor=Who.of(by),
                subject=row,
                rows=act.rows,
            )

    @rule(seconds=st.sampled_from([1, 20, 31, 31, 61, 301, 901, 1000]))
    def time_passes(self, seconds: int) -> None:
        self._count("time passes")
        self.clock.at += seconds

    @rule(
        what=st.sampled_from(
            [
                "mend",
                "mend",
                "mend",
                "training demanded",
                "training lapses",
                "identity lapses",
                "leaves",
                "unlock",
            ]
        ),
        name=st.sampled_from(PEOPLE),
    )
    def meanwhile(self, what: str, name: str) -> None:
        """What happens to people: two of it make a signature impossible for a while, one for good."""
        person = self.people[name]
        if not person.active:
            return
        if what == "training demanded" and not self.matrix:
            self._training_is_demanded()
        elif what == "training lapses" and person.trained:
            self._train(person, False)
        elif what == "identity lapses" and person.known:
            self._rename(person)
        elif what == "leaves" and all(each.active for each in self.people.values()):
            self._count("deactivated")
            acts.deactivate_account(self.world.administrator, person.user.pk, reason="Left")
            person.active = False
            person.user = User.objects.get(pk=person.user.pk)
        elif what in ("unlock", "mend"):
            self._mend(person, what == "mend")

    def _mend(self, person: Person, whole: bool) -> None:
        if person.locked_until > self.clock.at:
            self._count("unlocked")
            acts.unlock_account(self.world.administrator, person.user.pk, reason="Asked by phone")
            person.locked_until, person.failures = 0.0, 0
        if whole and self.matrix and not person.trained:
            self._train(person, True)
        if whole and not person.known:
            self._count("identity confirmed")
            acts.confirm_identity(self.world.registrar, person.user.pk, how="known")
            person.known = True
            person.user = User.objects.get(pk=person.user.pk)

    def _training_is_demanded(self) -> None:
        self._count("training demanded")
        acts.adopt_training_matrix(
            self.world.compliance,
            seen=TrainingMatrix.objects.count(),
            needs={"approver": ["system"]},
            reason="The training plan of this year",
        )
        self.matrix = True

    def _train(self, person: Person, trained: bool) -> None:
        """Recorded by another, or the record taken back: the training lapses at once."""
        self._count("training recorded" if trained else "training lapsed")
        given = {"kind": "system", "completed_on": self.clock.system().date(), "evidence": "Certificate 12"}
        if not trained:
            newest = TrainingRecord.objects.filter(person=person.user).latest("pk")
            given |= {"corrects_id": newest.pk, "void": True, "reason": "Mistaken"}
        acts.record_training(self.world.compliance, person.user.pk, **given)
        person.trained = trained

    def _rename(self, person: Person) -> None:
        """The printed name is corrected, and nobody has confirmed since who it is."""
        self._count("identity lapsed")
        self.number += 1
        asked = acts.request_correction(
            self.world.administrator, person.user.pk, printed_name=f"Name {self.number}", reason="Married"
        )
        acts.approve_correction(self.world.compliance, asked.pk, reason="Seen")
        person.known = False
        person.user = User.objects.get(pk=person.user.pk)

    # ------------------------------------------------------------ what is shown

    @rule(
        target=showings,
        name=st.sampled_from(PEOPLE),
        places=st.lists(st.integers(0, 9), min_size=1, max_size=3),
        rejected=st.lists(st.booleans(), min_size=3, max_size=3),
    )
    def open_statement(self, name: str, places: list[int], rejected: list[bool]) -> Showing:
        return self.open_statement_of(name, places, rejected)

    def open_statement_of(self, name: str, places: list[int], rejected: list[bool]) -> Showing:
        self._count("open a statement")
        likely = (self.open or self.records)[-3:] + self.records[:1]  # the last one may be signed already
        chosen = list(dict.fromkeys(likely[place % len(likely)] for place in places))
        rows = [Requirement.objects.get(pk=pk) for pk in chosen]
        contents = tuple(json.dumps(content_of(row), sort_keys=True) for row in rows)
        listed = tuple(
            Listed(
                ACT, row.pk, digest_of(text), "rejected" if no else "approved", "Not measurable" if no else ""
            )
            for row, text, no in zip(rows, contents, rejected, strict=False)
        )
        return Showing(name, listed, contents, factors.new_nonce(self.people[name].user), self.clock.at)

    # ------------------------------------------------------------ components

    def second(self, how: str, showing: Showing) -> tuple[dict[str, str], str]:
        """(what the form carries as second factor, what the model makes of it: right, wrong, used or missing)."""
        person = self.people[showing.person]
        if how == "missing" or not (person.secret or person.device):
            return {}, "missing"
        if person.device is not None:
            return self._passkey(how, showing, person)
        step = int(self.clock.at) // STEP
        code = totp.code_at(person.secret, step)
        if how in ("another's", "elsewhere"):
            other = "tessa_totp" if showing.person == "sol_sso" else "sol_sso"
            code = totp.code_at(self.people[other].secret, step)
            return {"code": code}, "right" if code == totp.code_at(person.secret, step) else "wrong"
        if how == "wrong":
            return {"code": f"{(int(code) + 1) % 1_000_000:06}"}, "wrong"
        if how == "replayed":
            code = self.codes.get(showing.person, code)
        self.codes[showing.person] = code
        shown = self._steps(person, code)
        if not shown:
            return {"code": code}, "wrong"
        return {"code": code}, "right" if shown[-1] > person.used_step else "used"

    def _passkey(self, how: str, showing: Showing, person: Person) -> tuple[dict[str, str], str]:
        options, _ = passkeys.request([person.factor])
        over = as_text(challenge_of(person.user, showing.listed, showing.nonce))
        if how == "replayed" and showing.person in self.answers:
            kept = self.answers[showing.person]
            return {"passkey": kept.text, "nonce": showing.nonce}, "right" if kept.over == over else "wrong"
        options["challenge"] = as_text(hashlib.sha256(over.encode()).digest()) if how == "elsewhere" else over
        device = type(person.device)() if how == "another's" else person.device
        text = device.shows(options)
        if how == "wrong":
            broken = json.loads(text)
            broken["response"]["signature"] = broken["response"]["signature"][::-1]
            text = json.dumps(broken)
        if how not in ("right", "replayed"):
            return {"passkey": text, "nonce": showing.nonce}, "wrong"
        self.answers[showing.person] = Answer(text, over, device.count)
        return {"passkey": text, "nonce": showing.nonce}, "right"

    def authenticated(self, how: str, showing: Showing) -> tuple[Fresh | None, bool]:
        """(what came back from the provider; does it count); None where its token did not even hold."""
        person, issuer = self.people[showing.person], self.base.issuer
        wanted = as_text(challenge_of(person.user, showing.listed, showing.nonce))
        moment = int(self.clock.at)
        claims: dict[str, Any] = {
            "iss": issuer.issuer,
            "sub": f"subject of {showing.person}",
            "aud": CLIENT,
            "iat": int(time.time()),
            "exp": int(time.time()) + 300,
            "nonce": wanted,
            "auth_time": moment,
        }
        claims |= {
            "old": {"auth_time": moment - 60},
            "future": {"auth_time": moment + 3600},
            "another subject": {"sub": "subject of somebody"},
            "replayed nonce": {"nonce": as_text(hashlib.sha256(wanted.encode()).digest())},
        }.get(how, {})
        if how == "missing":
            del claims["auth_time"]
        provider = oidc.provider("corp")
        assert provider is not None
        try:
            said = oidc.check(provider, issuer.signed(claims), nonce=wanted)
        except Refused:
            assert how == "replayed nonce"
            return None, False
        assert how != "replayed nonce"
        fresh = fresh_from(person.user, said, challenge=wanted, left_at=self.clock.at)
        self.fresh.append(fresh)
        return fresh, how == "good"

    # ------------------------------------------------------------ signing

    @rule(
        target=attempts,
        showing=showings,
        first=st.sampled_from(FIRSTS),
        second=st.sampled_from(SECONDS),
        stray=st.integers(0, 9),
    )
    def sign(self, showing: Showing, first: str, second: str, stray: int) -> Attempt:
        self._count(f"first component {first}")
        self._count(f"second component {second}")
        password = {"password": PASSWORD, "wrong": "not this one", "empty": ""}[first]
        shown, worth = self.second(second, showing)
        given = SignatureInput("", password, **shown)
        return self._send(showing, given, first == "password", worth, stray=stray == 0)

    @rule(
        target=attempts,
        name=st.sampled_from(PEOPLE[:3]),
        places=st.lists(st.integers(0, 9), min_size=1, max_size=3),
        token=st.sampled_from(("", "", "good")),
        second=st.sampled_from(("right", "right", "right", "replayed")),
    )
    def show_and_sign(self, name: str, places: list[int], token: str, second: str) -> Attempt:
        """As people do who mean to sign: read, and sign at once, after half a minute for the next code."""
        self.clock.at += STEP + 1
        showing = self.open_statement_of(name, places, [False] * 3)
        if token and name in LINKED:
            fresh, counts = self.authenticated(token, showing)
            assert fresh is not None
            return self._afresh(showing, fresh, counts, second)
        shown, worth = self.second(second, showing)
        return self._send(showing, SignatureInput("", PASSWORD, **shown), True, worth)

    @rule(
        target=attempts,
        showing=showings,
        token=st.sampled_from(TOKENS),
        second=st.sampled_from(SECONDS),
        late=st.sampled_from([0, 0, 0, FRESH + 1]),
    )
    def sign_afresh(self, showing: Showing, token: str, second: str, late: int) -> Attempt:
        """By single sign-on: the provider's answer for this statement alone, in the place of the password."""
        if showing.person not in LINKED:
            nonce = factors.new_nonce(self.people[LINKED[0]].user)
            showing = replace(showing, person=LINKED[0], nonce=nonce, at=self.clock.at)
        self._count(f"token {token}")
        fresh, counts = self.authenticated(token, showing)
        if fresh is None:
            return Attempt(showing, SignatureInput("", ""), "")
        self.clock.at += late
        return self._afresh(showing, fresh, counts and not late, second)

    @precondition(lambda self: self.fresh)
    @rule(target=attempts, showing=showings, place=st.integers(0, 30), second=st.sampled_from(SECONDS))
    def sign_with_an_earlier_authentication(self, showing: Showing, place: int, second: str) -> Attempt:
        """One made for another statement, or used already."""
        self._count("authentication of earlier")
        fresh = self.fresh[place % len(self.fresh)]
        wanted = as_text(challenge_of(self.people[showing.person].user, showing.listed, showing.nonce))
        counts = not fresh.fault and fresh.challenge == wanted and self.clock.at - fresh.at <= FRESH
        return self._afresh(showing, fresh, counts, second)

    def _afresh(self, showing: Showing, fresh: Fresh, counts: bool, second: str) -> Attempt:
        shown, worth = self.second(second, showing)
        given = SignatureInput("", "", **{**shown, "nonce": showing.nonce}, fresh=fresh)
        return self._send(showing, given, counts and self._open(showing), worth)

    def _open(self, showing: Showing) -> bool:
        return self.clock.at - showing.at <= OPEN

    def _send(
        self, showing: Showing, given: SignatureInput, first: bool, second: str, *, stray: bool = False
    ) -> Attempt:
        """Send a form; `stray`: to the address of another record than the one that was shown."""
        person = self.people[showing.person]
        expected = self.expected(showing, person, given, first, second)
        self.number += 1
        attempt = Attempt(showing, given, f"form {self.number}")
        if stray and len(showing.listed) == 1 and len(self.records) > 1:
            other = next(pk for pk in self.records if pk != showing.listed[0].pk)
            same = digest_of(shown_now(other)) == showing.listed[0].digest
            assert not same
            attempt = replace(
                attempt, showing=replace(showing, listed=(replace(showing.listed[0], pk=other),))
            )
            expected = False
        refusals = Entry.objects.filter(kind=Kind.REFUSAL).count()
        signatures, refused = self._post(attempt)
        assert bool(signatures) == expected, (showing, given, first, second, refused and refused.parts())
        told = Entry.objects.filter(kind=Kind.REFUSAL).count() - refusals
        if refused is not None:
            self._count("refused")
            assert told >= (0 if isinstance(refused, BadInput) else 1), refused
            return attempt
        assert told == 0
        assert len(signatures) == len(showing.listed)
        for one, content, signature in zip(showing.listed, showing.contents, signatures, strict=True):
            self._count("signed")
            whole(signature, person.user, one, content, given)
            self.signed[one.pk] = one.decision
        return replace(attempt, signed=tuple(str(each.uuid) for each in signatures))

    def _post(self, attempt: Attempt) -> tuple[list[Signature], Refused | None]:
        showing, given = attempt.showing, attempt.given
        actor = Actor.of(self.people[showing.person].user, "web")
        try:
            if len(showing.listed) > 1:
                done = sign_together(actor, showing.listed, given, idempotency_key=attempt.key)
                told = next((each.refused for each in done if each.refused), None)
                return [each.signature for each in done if each.signature], told
            [one] = showing.listed
            given = replace(given, digest=one.digest, decision=one.decision)
            ACTS[ACT](actor, one.pk, reason=one.reason, signature=given, idempotency_key=attempt.key)
        except Refused as refused:
            return [], refused
        mine = Signature.objects.filter(signer=actor.user, subject_kind="verification.requirement")
        return [mine.filter(subject_id=str(one.pk)).latest("pk")], None

    @rule(attempt=attempts)
    def the_same_form_again(self, attempt: Attempt) -> None:
        """A double click, or a thief who kept the form: never a second signature."""
        if not attempt.signed:
            return
        self._count("same form again")
        person = self.people[attempt.showing.person]
        locked = person.locked_until > self.clock.at
        signatures, refused = self._post(attempt)
        if refused is None:
            assert [str(each.uuid) for each in signatures] == list(attempt.signed)
        if person.active and not locked:
            self._follow(person)

    def _follow(self, person: Person) -> None:
        """Whether showing components of earlier counted as a failure depends on their age: read, not judged, here."""
        row = Lockout.objects.get(user=person.user)
        person.failures = row.signing_failures
        person.locked_until = row.signing_locked_until.timestamp() if row.signing_locked_until else 0.0

    def expected(
        self, showing: Showing, person: Person, given: SignatureInput, first: bool, second: str
    ) -> bool:
        """Whether this form must sign, by the model alone; it also keeps count of failures and of what is used up."""
        if not person.active:
            return False
        may = person.known and (person.trained or not self.matrix)
        current = all(
            digest_of(shown_now(one.pk)) == one.digest and one.pk not in self.signed for one in showing.listed
        )
        if len(showing.listed) > 1 and not (may and current):
            return False  # said of all of them by name, before any component is looked at
        if person.locked_until > self.clock.at:
            return False
        if first and second == "missing":
            return False  # asked for, not counted
        worth = self._worth(showing, given, second) if first else ""
        if first and worth == "closed":
            return False
        if not first or worth == "wrong":
            person.failures += 1
            if person.failures >= FAILURES:
                self._count("locked")
                person.failures, person.locked_until = 0, self.clock.at + LOCKED
            return False
        repeated = worth == "used"
        if given.fresh is not None:
            repeated = repeated or f"fresh {showing.nonce}" in self.used
            self.used.add(f"fresh {showing.nonce}")
        if worth == "right":
            person.failures, person.locked_until = 0, 0.0
        return not repeated and may and current

    def _worth(self, showing: Showing, given: SignatureInput, second: str) -> str:
        person = self.people[showing.person]
        if given.code:
            if second == "right":
                person.used_step = self._steps(person, given.code)[-1]
            return second
        if not self._open(showing):
            return "closed"
        seen = showing.nonce in self.used
        self.used.add(showing.nonce)
        if second != "right":
            return second
        count = self.answers[showing.person].count
        if count > person.count:
            person.count = count
            return "used" if seen else "right"
        if seen:
            return "used"
        self._count("passkey that may exist twice")
        person.device = None  # its counter went back: the portal ends it
        return "wrong"

    def _steps(self, person: Person, code: str) -> list[int]:
        steps = sorted({int(self.clock.at + shift) // STEP for shift in (-15, 0, 15)})
        return [each for each in steps if totp.code_at(person.secret, each) == code]

    # ------------------------------------------------------------ what always holds

    @invariant()
    def nothing_is_signed_but_what_the_model_knows(self) -> None:
        self._count("steps")
        rows = Signature.objects.exclude(pk__in=self.before).values_list("subject_id", "decision")
        assert sorted(rows) == sorted((str(pk), decision) for pk, decision in self.signed.items())


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
