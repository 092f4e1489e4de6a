"""`@act`: the one way in which state changes.

An act asks permission, demands reason or signature, locks, writes record, history and trail, and queues follow-up
work, all in one transaction. A refusal is written to the trail in a transaction of its own, after the rollback.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, models, transaction

from apps.access import clockwork, past, previewing, reach, reasons, showing, signing
from apps.access.actors import Actor, as_actor
from apps.access.colliding import begun_anew, collision
from apps.access.demands import asked_of, demands, earlier_refusal
from apps.access.entering import enter, enter_refusal
from apps.access.gate import ORGANISATION_SUBJECT, Judge, front_refusal, is_visible, may
from apps.access.idempotency import Once
from apps.access.models import Assignment
from apps.access.policy import MEANINGS, Policy, meaning_sentence, policy
from apps.access.rulebook import rules_lock
from apps.access.sharing import afresh, within_act
from apps.access.signing import SignatureInput
from apps.accounts.models import User
from apps.core import jobs
from apps.core.clock import now
from apps.core.errors import NotVisible, Refused
from apps.core.models import Job
from apps.core.subjects import Subject
from apps.trail import current, sealer, statements
from apps.trail.models import Signature

Row = TypeVar("Row", bound=models.Model)

ACTS: dict[str, Callable[..., Any]] = {}


class NothingRecorded(RuntimeError):
    """An act ended without asking permission or without a subject: a fault in the act, never let through."""


class Act:
    """One act under way; the first argument of every act function."""

    def __init__(
        self,
        actor: Actor,
        row: Policy,
        *,
        reason: str,
        signature: SignatureInput | None,
        open_act: current.CurrentAct,
        components: signing.Components | None = None,
    ) -> None:
        self.actor = actor
        self.policy = row
        self.reason = reason
        self.signature_input = signature
        self.components = components or signing.Components()
        self.signatures: list[Signature] = []
        self.facts: dict[str, Any] = {}
        self.wanted: dict[str, Any] = {}
        self.subject: Any = None
        self.shown: str = ""
        self._current = open_act
        self._allowed = False

    @property
    def user(self) -> User:
        return self.actor.user

    @property
    def id(self) -> str:
        """The act's identifier, which its entry and its rows bear."""
        return self._current.act_id

    def lock(self, queryset: models.QuerySet[Row], **lookup: Any) -> Row:
        """The one row, locked until the end of the act; NotVisible when there is none."""
        own: dict[str, Any] = {"of": ("self",)} if queryset.query.select_related else {}
        try:
            return queryset.select_for_update(**own).get(**lookup)
        except ObjectDoesNotExist:
            raise NotVisible() from None

    def allow(self, subject: Subject) -> None:
        """Duty, state and separation for this act on `subject`; raises Refused. The subject becomes the entry's."""
        self.subject = subject
        if self.policy.subject not in ("*", "", subject.subject_kind):
            raise LookupError(
                f"{self.policy.act} acts on {self.policy.subject}, not on {subject.subject_kind}"
            )
        if not self.policy.service and not is_visible(self.actor, subject):
            raise NotVisible()
        verdict = Judge(subject).verdict(self.actor, self.policy)
        if not verdict.allowed:
            raise verdict.refusal()
        if verdict.waivers:
            self.event(waivers=list(verdict.waived))
        if verdict.under:
            self.event(under=list(verdict.under))
        self._allowed = True

    def sees(self, subject: Subject) -> bool:
        """Whether the person may see `subject`: for rules that are told before duty is asked."""
        return is_visible(self.actor, subject)

    def separated(self, subject: Subject) -> None:
        """Separation judged once more on a record this act has just made or will touch."""
        judge = Judge(subject)
        broken = judge.separation(self.user, self.policy)
        if broken is not None:
            raise judge.conflict(self.user, self.policy, broken)

    def own(self, user: User) -> None:
        """For acts open to anyone about their own affairs: the person acted on is the person acting."""
        if user.pk != self.user.pk:
            raise NotVisible()

    def about(self, subject: Subject) -> None:
        """Let the entry tell of `subject` (a record made by this act) instead of the one that was asked about."""
        self.subject = subject

    def write(self, row: Row, /, **fields: Any) -> Row:
        """Set `fields` and save with history, under this act."""
        if not self._allowed:
            raise NothingRecorded(f"{self.policy.act} writes before permission was asked")
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()
        return row

    def end(self, row: Row, /, *, why: str = "", **fields: Any) -> Row:
        """Write `row` as refused or ended by this act: who, when, and why (the act's reason, or `why`)."""
        return self.write(row, ended_by=self.user, ended_at=now(), end_reason=why or self.reason, **fields)

    def create(self, model: type[Row], /, **fields: Any) -> Row:
        """Make a row with history, under this act. A broken uniqueness is a Conflict with its own words."""
        return self.write(model(**fields))

    def event(self, **facts: Any) -> None:
        """Add facts to the entry's body (JSON without floats)."""
        self.facts.update(facts)

    def asked(self, **facts: Any) -> None:
        """What is asked for, where the subject alone does not say it: a refusal's entry keeps it too."""
        self.wanted.update(facts)

    def after_commit(self, kind: str, subject: Subject) -> Job:
        """Queue a job for `subject`; sent after the commit. Returns the job."""
        requested_by = self.actor.on_behalf or self.user
        return jobs.enqueue(kind, subject, requested_by)

    def refuse_if_changed(self, subject: Subject) -> str:
        """For acts that sign: the content must still have the digest that was shown. Before anything is written."""
        self.shown = signing.refuse_if_changed(subject, self._given())
        return self.shown

    @property
    def decision(self) -> str:
        """What the signer decided: approved or rejected."""
        return self._given().decision

    def _given(self) -> SignatureInput:
        if self.signature_input is None:
            raise NothingRecorded(f"{self.policy.act} signs without a signature")
        return self.signature_input

    def sign(self, subject: Subject, *, record_version: str = "", seat: str = "") -> Signature:
        """Write the signature over the content that `refuse_if_changed` compared (or over the content now).

        seat: by which seat on a board the person signs; it stands beside their duties.
        """
        given = self._given()
        shown = self.shown or self.refuse_if_changed(subject)
        if self.policy.meaning not in MEANINGS:
            raise NothingRecorded(f"{self.policy.act} has no signature meaning")
        row = statements.sign(
            signer=self.user,
            duties=[*([seat] if seat else []), *self.duties()],
            meaning=self.policy.meaning,
            meaning_text=meaning_sentence(self.policy.meaning, given.decision),
            decision=given.decision,
            reason=self.reason,
            subject=subject,
            record_version=record_version,
            content_digest=shown,
            factors=list(self.components.factors),
            act_id=self._current.act_id,
        )
        self.signatures.append(row)
        return row

    def duties(self) -> list[str]:
        """The person's duties in force, as the trail copies them: `approver on registry.model:3`."""
        held = Assignment.objects.active().filter(person=self.user).order_by("scope_kind", "scope_id", "duty")
        return [f"{a.duty} on {a.scope}" for a in held]

    def entry(self) -> None:
        if not self._allowed or self.subject is None:
            raise NothingRecorded(f"{self.policy.act} ended without permission asked or without a subject")
        if self.policy.signs and not self.signatures:
            raise NothingRecorded(f"{self.policy.act} ended without its signature")
        if self.signatures:
            self.facts["signatures"] = [str(s.uuid) for s in self.signatures]
        if self.components.facts:
            self.facts["second_factor"] = self.components.facts
        if self.components.first:
            self.facts["single_sign_on"] = self.components.first
        if self.signature_input is not None and (ceremony := self.signature_input.together) is not None:
            place = ceremony.place(self.policy.act, self._given().digest, self._given().decision)
            self.facts["ceremony"] = {"name": ceremony.name, "place": place, "of": len(ceremony.listed)}
        enter(
            "act",
            self.actor,
            self.policy,
            self.subject,
            self.reason,
            self.facts,
            self._current,
            self.duties(),
        )


def refuse_first(actor: Actor, name: str, subject: Subject, *others: str) -> None:
    """For doors whose input is no good: what the gate says of the act comes first, and is entered.

    others: acts that the input might have meant as well; who may do one of them is told of the input.
    """
    past.refuse_acts()
    verdict = may(actor, name, subject)
    if not verdict.allowed and not any(may(actor, other, subject).allowed for other in others):
        refused = verdict.refusal()
        enter_refusal(actor, policy(name), refused, subject, "")
        raise refused


def refuse_at_front(actor: Actor, name: str) -> None:
    """For doors that ask for several records at once: what is refused whatever they are is entered, once."""
    past.refuse_acts()
    row = policy(name)
    if (refused := front_refusal(actor, row)) is not None:
        enter_refusal(actor, row, refused, ORGANISATION_SUBJECT, "")
        raise refused


def act(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function the act `name` of the policy table.

    The function takes an `Act` first; callers give the actor (or user) instead, and may add reason=, signature=,
    idempotency_key=, and second= where who holds a second factor shows it. Acts do not nest.

    preview=True: nothing is done; returns what would change (previewing.Preview). confirmed=: the digest of a preview,
    whose changes must be those of now.
    """
    row = policy(name)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def perform(
            actor: Actor | User,
            *args: Any,
            reason: str = "",
            signature: SignatureInput | None = None,
            second: showing.Shown | None = None,
            idempotency_key: str = "",
            preview: bool = False,
            confirmed: str = "",
            **kwargs: Any,
        ) -> Any:
            past.refuse_acts()
            actor = as_actor(actor)
            signing_what = (signature.digest, signature.decision) if signature else None
            # Each look is judged and entered anew: a repeat must not open what has lapsed since.
            key = "" if row.looks or preview else idempotency_key
            once = Once(actor, name, key, args, kwargs, reason, signing_what)
            under_way: list[Act] = []
            try:
                if (wrong_clock := clockwork.refusal(row)) is not None:
                    raise wrong_clock
                # A repeated signing is answered only to who shows the components again (21 CFR 11.200(a)).
                shown = demands(actor, row, reason, signature, second)
                if preview and (row.signs or row.shows):
                    raise previewing.cannot(row)
                coded = {"reason_code": reasons.facts(reason)} if row.changes else {}
                again, earlier = once.earlier()
                if again:
                    return earlier
                if shown is not None and shown.repeated:
                    raise signing.used_before() if row.signs else showing.used_before(row)

                def whole() -> tuple[bool, Any]:
                    """The act from beginning to commit; (True, earlier result) where its twin was first meanwhile."""
                    if under_way and (found := once.earlier())[0]:
                        return found
                    # Before any row is locked: who waits for the rules then holds nothing that others wait for.
                    lock = rules_lock(change=row.alone)
                    with (
                        transaction.atomic(durable=True),
                        current.opened(name, user_id=actor.pk, reason=str(reason), lock=lock) as open_act,
                    ):
                        doing = Act(
                            actor,
                            row,
                            reason=str(reason).strip(),
                            signature=signature,
                            open_act=open_act,
                            components=shown,
                        )
                        under_way[:] = [doing]
                        doing.event(**coded)
                        if (lapsed := reach.refuse_lapsed(actor.token)) is not None:
                            # Ended since the call began: in the middle of an upload, say.
                            doing.subject = asked_of(row, args)
                            raise lapsed
                        with within_act():
                            result = function(doing, *args, **kwargs)
                        if preview or confirmed:
                            changed = previewing.of_rows(open_act.rows, open_act.act_id)
                            if preview:
                                raise previewing.Undone(changed)
                            previewing.refuse_if_other(changed, confirmed)
                        doing.entry()
                        once.remember(result)
                        return False, result

                again, result = begun_anew(whole)
                if again:
                    return result
            except previewing.Undone as undone:
                return undone.preview
            except Refused as refused:
                if under_way:
                    # The twin of this request may have been first and changed what this one met.
                    again, earlier = once.earlier()
                    if again:
                        return earlier
                subject = under_way[0].subject if under_way else asked_of(row, args)
                if not under_way:
                    refused = earlier_refusal(actor, row, subject, refused)
                enter_refusal(
                    actor, row, refused, subject, reason, under_way[0].wanted if under_way else None
                )
                if refused.status != 404 and subject is not None and subject.subject_kind == row.subject:
                    refused.asked = (name, row.subject, subject.pk)
                raise refused from None
            except IntegrityError as error:
                again, earlier = once.earlier()
                if again:
                    return earlier
                collided = collision(error)
                if collided is None:
                    raise
                enter_refusal(actor, row, collided, under_way[0].subject if under_way else None, reason)
                raise collided from error
            if row.signs:
                sealer.seal_act(under_way[0].id)
            return result

        @functools.wraps(function)
        def performed(*args: Any, **kwargs: Any) -> Any:
            # What a page around knew is not asked: neither by what comes before the act's locks nor by the act.
            with afresh():
                return perform(*args, **kwargs)

        ACTS[name] = performed
        return performed

    return decorate
