"""A state machine of signing: four people, records that change meanwhile, every way to show components rightly or not.

It keeps a small model of its own of what must sign (`Signing.expected`), written without the code it judges, and holds
the portal to it both ways: what lacks a component signs nothing, and what lacks nothing is signed.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, precondition, rule

from apps.access import factors, oidc, passkeys, totp
from apps.access.acting import ACTS
from apps.access.actors import Actor
from apps.access.ceremony import Fresh, Listed, as_text, challenge_of, fresh_from
from apps.access.signing import SignatureInput, content_of
from apps.access.signing_together import sign_together
from apps.accounts.models import Lockout
from apps.core.errors import BadInput, Refused
from apps.trail.models import Entry, Kind, Signature
from apps.verification.models import Requirement
from tests.cast import PASSWORD
from tests.factories.issuer import CLIENT
from tests.trail.signing_around import Around
from tests.trail.signing_parts import (
    ACT,
    FAILURES,
    FIRSTS,
    FRESH,
    LINKED,
    LOCKED,
    OPEN,
    PEOPLE,
    SECONDS,
    STEP,
    TOKENS,
    Answer,
    Attempt,
    Person,
    Showing,
    digest_of,
    shown_now,
    whole,
)


class Signing(Around):
    """The signing itself: what is shown, with which components it is sent, and what must become of it."""

    showings = Bundle("showings")
    attempts = Bundle("attempts")

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
