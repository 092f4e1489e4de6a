"""Four questions, asked here and nowhere else: may, visible, offers, eligible."""

from __future__ import annotations

from dataclasses import replace

from apps.access import reach
from apps.access.actors import Actor, as_actor
from apps.access.judging import Judge
from apps.access.organisation import ORGANISATION_PAIR, ORGANISATION_SUBJECT, Organisation
from apps.access.policy import acts_on, policy
from apps.access.rulebook import rules_in_force
from apps.access.separation import Broken
from apps.access.sight import Scopes, is_visible, visible, visible_one, visible_within
from apps.access.verdict import Verdict, front_refusal
from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.core.subjects import Subject


def may(actor: Actor | User, act: str, subject: Subject) -> Verdict:
    """Whether `actor` may do `act` on `subject` now, and if not, why not."""
    actor, row = as_actor(actor), policy(act)
    if row.subject not in ("*", "", subject.subject_kind):
        raise LookupError(f"{act} acts on {row.subject}, not on {subject.subject_kind}")
    hidden = reach.refuse_lapsed(actor.token)
    if hidden is None and not row.service and not is_visible(actor, subject):
        hidden = NotVisible()
    if hidden is not None:  # of an act that is not told of, nothing more is told
        return replace(Verdict.no(row, hidden), signs=False, needs_reason=False)
    return Judge(subject).verdict(actor, row)


def would_conflict(person: User, verbs: frozenset[str], subject: Subject) -> Broken | None:
    """The rule `person` would break by counting as having done `verbs` on `subject`; None when in order."""
    return Judge(subject).judged(person, verbs)[0]


def offers(actor: Actor | User, subject: Subject, judge: Judge | None = None) -> list[Verdict]:
    """Every act that exists on this kind of subject, with its verdict for `actor`."""
    actor = as_actor(actor)
    if not is_visible(actor, subject):
        return []
    judge = judge or Judge(subject)
    return [judge.verdict(actor, row) for row in acts_on(subject.subject_kind) if row.offered]


def eligible(act: str, subject: Subject) -> list[User]:
    """The people who could do `act` on `subject`: duty in force and no conflict."""
    return Judge(subject).eligible(policy(act))


__all__ = [
    "ORGANISATION_PAIR",
    "ORGANISATION_SUBJECT",
    "Judge",
    "Organisation",
    "Scopes",
    "Verdict",
    "eligible",
    "front_refusal",
    "is_visible",
    "may",
    "offers",
    "rules_in_force",
    "visible",
    "visible_one",
    "visible_within",
    "would_conflict",
]
