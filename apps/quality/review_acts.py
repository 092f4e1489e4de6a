"""Every verb on reviews of the audit trail (EU GMP Annex 11 draft 12.5-12.8; PC10, DY14)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from apps.access.acting import Act, act
from apps.access.actors import Actor
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, WrongState
from apps.core.numbers import next_number
from apps.quality import review_queries, review_rules
from apps.quality import rules as deviation_rules
from apps.quality.models import TrailFinding, TrailMark, TrailReview
from apps.registry.models import Version
from apps.trail import sealer
from apps.trail.models import Checkpoint, Kind

NUMBERS = TrailReview.subject_kind


def _range(version: Version, start: int, seed: str) -> dict[str, Any]:
    """The range from leaf `start` to the newest checkpoint, with what the filters and the seed take out of it."""
    checkpoint = Checkpoint.objects.order_by("-size").first()
    if checkpoint is None:
        raise WrongState(
            f"The trail of {version.ref} cannot be reviewed yet.",
            fact="No entry of the trail is sealed.",
            rule="trail-review-range",
            who=["whoever runs the portal: the sealer must run"],
        )
    entries = list(
        review_queries.entries_on(review_queries.reviewed_pairs(version)).filter(leaf__isnull=False)
    )
    within = [each for each in entries if start <= each.leaf < checkpoint.size]  # type: ignore[attr-defined]
    covered = {each.pk for each in within}
    rules = review_rules.review_rules()
    hours = review_queries.working_hours()
    lines = [review_queries.line_of(each) for each in entries]
    acts = [each.pk for each in within if each.kind == Kind.ACT]
    return {
        "from_size": start,
        "until_size": checkpoint.size,
        "root": checkpoint.root,
        "until_at": checkpoint.created_at,
        "rules_version": rules["version"],
        "hours": hours.told(),
        "covered": len(within),
        "exceptions": review_rules.exceptions(lines, covered, hours, rules),
        "seed": seed,
        "sample": review_rules.draw(seed, acts, review_rules.sample_size(len(acts), rules)),
    }


def _begins(version: Version, whole: bool) -> int:
    last = None if whole else review_queries.last_signed(version)
    return last.until_size if last else 0


@registries.precondition("quality.open_trail_review")
def _none_is_open(version: Version) -> None:
    already = review_queries.open_review(version)
    review_rules.may_open(version.ref, already.ref if already else "", False)


@act("quality.open_trail_review")
def _open(act: Act, version_id: int, *, whole: bool = False) -> TrailReview:
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    act.allow(version)
    begins = _begins(version, whole)
    # One sample for one beginning: who withdraws and opens again does not draw until it suits them.
    drawn = TrailReview.objects.filter(version=version, from_size=begins, state="withdrawn").order_by(
        "number"
    )
    given = _range(version, begins, drawn.values_list("seed", flat=True).first() or secrets.token_hex(16))
    review_rules.may_open(version.ref, "", given["covered"] == 0)
    review = act.create(
        TrailReview,
        number=next_number(NUMBERS),
        version=version,
        opened_by=act.user,
        opened_at=now(),
        **given,
    )
    act.about(review)
    act.event(**_facts(review))
    return review


def open_trail_review(actor: Actor | User, version_id: int, **given: Any) -> TrailReview:
    """Open a review of a version's trail: from where the last signed review ended, or the whole, up to now.

    Sealed first, so that "now" is a signed state of the log. Refused: WrongState with one open already, or nothing new.
    """
    sealer.seal()
    return _open(actor, version_id, **given)  # type: ignore[no-any-return]


def _facts(review: TrailReview) -> dict[str, Any]:
    return {
        "from_leaf": review.from_size,
        "tree_size": review.until_size,
        "root": review.root,
        "entries": review.covered,
        "seed": review.seed,
        "sample": list(review.sample),
        "exceptions": {code: len(found) for code, found in review.exceptions.items()},
    }


def _locked(act: Act, review_id: int) -> TrailReview:
    rows = TrailReview.objects.select_related("version__model", "version__intended_use", "opened_by")
    return act.lock(rows, pk=review_id)


@registries.precondition("quality.extend_trail_review")
def _can_be_extended(review: TrailReview) -> None:
    review_rules.must_be_open(review.ref, review.state, "taken up to now")


@registries.precondition("quality.mark_trail_entries")
def _can_be_marked(review: TrailReview) -> None:
    review_rules.must_be_open(review.ref, review.state, "marked")


@registries.precondition("quality.record_trail_finding")
def _can_have_findings(review: TrailReview) -> None:
    review_rules.must_be_open(review.ref, review.state, "given findings")


@registries.precondition("quality.withdraw_trail_review")
def _can_be_withdrawn(review: TrailReview) -> None:
    review_rules.must_be_open(review.ref, review.state, "withdrawn")


@registries.precondition("quality.sign_trail_review")
def _can_be_signed(review: TrailReview) -> None:
    review_rules.must_be_open(review.ref, review.state, "signed")
    seen = set(review.marks.values_list("entry", flat=True))
    undecided = [
        each.ref
        for each in review.findings.all()
        if each.weight == "action" and review_queries.deviation_of(each, review.version) is None
    ]
    review_rules.must_be_complete(review.ref, len(review.shown - seen), undecided)


@act("quality.extend_trail_review")
def _extend(act: Act, review_id: int) -> TrailReview:
    review = _locked(act, review_id)
    act.allow(review)
    act.write(review, **_range(review.version, review.from_size, review.seed))
    act.event(**_facts(review))
    return review


def extend_trail_review(actor: Actor | User, review_id: int, **given: Any) -> TrailReview:
    """Take the end of an open review's range up to now. The seed stays; what was seen stays seen."""
    sealer.seal()
    return _extend(actor, review_id, **given)  # type: ignore[no-any-return]


@act("quality.mark_trail_entries")
def mark_trail_entries(act: Act, review_id: int, *, entries: Sequence[int], comment: str = "") -> TrailReview:
    """Mark exceptions and entries of the sample as seen, with one comment. Refused: Conflict where a colleague has."""
    review = _locked(act, review_id)
    act.allow(review)
    rules = review_rules.review_rules(review.rules_version)
    caught = {code: frozenset(found) for code, found in review.exceptions.items()}
    commented = {entry for entry in review.shown if review_rules.wanted_comment(entry, caught, rules)}
    chosen = review_rules.check_marks(entries, comment, review.shown, commented)
    known = {mark.entry: mark for mark in review.marks.filter(entry__in=chosen).select_related("seen_by")}
    others = [mark for mark in known.values() if mark.seen_by_id != act.user.pk]
    if others:
        raise Conflict(
            "Nothing was marked as seen.",
            fact=f"{others[0].seen_by.printed_name} has marked entry {others[0].entry} already.",
            rule="trail-review-once",
            who=["you, after looking at the page again"],
        )
    for entry in chosen:
        fields = {"comment": comment.strip(), "seen_by": act.user, "seen_at": now()}
        if entry in known:
            act.write(known[entry], **fields)
        else:
            act.create(TrailMark, review=review, entry=entry, **fields)
    act.event(entries=chosen, comment=comment.strip())
    return review


@act("quality.record_trail_finding")
def record_trail_finding(
    act: Act, review_id: int, *, text: str, weight: str = "observation", entry: int | None = None
) -> TrailFinding:
    """Record what was found. `weight`: observation, or action: then a deviation must be opened for it."""
    review = _locked(act, review_id)
    act.allow(review)
    covered: set[int] = set()
    if entry is not None:
        covered = set(review_queries.entries_of(review).values_list("pk", flat=True))
    review_rules.check_finding(text, weight, entry, covered)
    finding = act.create(
        TrailFinding,
        review=review,
        number=review.findings.count() + 1,
        entry=entry,
        weight=weight,
        text=text.strip(),
        recorded_by=act.user,
        recorded_at=now(),
    )
    act.event(finding=finding.ref, weight=weight, text=finding.text)
    return finding


@act("quality.withdraw_trail_review")
def withdraw_trail_review(act: Act, review_id: int) -> TrailReview:
    """End an open review without a signature; the reason says why. What was marked stays on record."""
    review = _locked(act, review_id)
    act.allow(review)
    return act.end(review, state="withdrawn")


@act("quality.sign_trail_review")
def sign_trail_review(act: Act, review_id: int) -> TrailReview:
    """Sign that the range was reviewed, by somebody who did nothing of what was reviewed (DY14, never waived)."""
    review = _locked(act, review_id)
    act.allow(review)
    deviation_rules.refuse_rejection(act.decision, "A trail review")
    act.refuse_if_changed(review)
    if not act.reason and review.findings.exists():
        raise BadInput(
            "The review was not signed.",
            rule="reason",
            fields={"reason": ["There are findings: say what you conclude from them."]},
        )
    act.write(review, state="signed", ended_by=act.user, ended_at=now())
    act.event(findings=review.findings.count(), **_facts(review))
    act.sign(review, record_version=f"leaves {review.from_size} to {review.until_size}")
    return review


__all__ = [
    "extend_trail_review",
    "mark_trail_entries",
    "open_trail_review",
    "record_trail_finding",
    "sign_trail_review",
    "withdraw_trail_review",
]
