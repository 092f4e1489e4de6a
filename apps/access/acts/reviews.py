"""Access reviews: opened by compliance, decided line by line, signed; what nobody confirms in time lapses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from apps.access.acting import Act, act
from apps.access.acts import services
from apps.access.acts.assignments import end_now
from apps.access.duties import Duty
from apps.access.models import AccessReview, Assignment, ReviewSheet
from apps.access.reviewing import (
    GRANTS,
    INDISPENSABLE,
    ORGANISATION,
    Grants,
    Line,
    gone,
    held_duties,
    over_duties,
    result_of,
    shown,
)
from apps.access.reviewing_services import held_services, over_services
from apps.access.reviewing_tokens import end_token, held_tokens, over_tokens
from apps.access.signing import content_digest
from apps.accounts.models import ApiToken
from apps.accounts.services import ServiceAccount
from apps.core import registries
from apps.core.clock import now
from apps.core.digests import digest
from apps.core.errors import BadInput, Conflict, WrongState
from apps.core.rulewords import stands

SOONEST, LATEST = timedelta(days=1), timedelta(days=366)
MAX_COMMENT = 500
State, SheetState = AccessReview.State, ReviewSheet.State
DECISIONS = ("keep", "end")


def _end_duty(act: Act, pk: int, reason: str) -> None:
    end_now(act, act.lock(Assignment.objects.select_related("person"), pk=pk), reason)


def _end_service(act: Act, pk: int, reason: str) -> None:
    services.end_now(act, services.locked(act, pk), reason)


GRANTS[Assignment.subject_kind] = Grants(held_duties, over_duties, _end_duty)
GRANTS[ServiceAccount.subject_kind] = Grants(held_services, over_services, _end_service)
GRANTS[ApiToken.subject_kind] = Grants(held_tokens, over_tokens, end_token)


def _locked(act: Act, sheet_id: int) -> ReviewSheet:
    """Campaign first, then the sheet: two reviewers of one campaign are put in order."""
    campaigns = ReviewSheet.objects.filter(pk=sheet_id).values("review_id")
    review = act.lock(AccessReview.objects.select_related("opened_by"), pk__in=campaigns)
    sheet = act.lock(ReviewSheet.objects.select_related("whose"), pk=sheet_id)
    sheet.review = review
    return sheet


@registries.precondition("access.decide_review")
def refuse_unless_open(sheet: ReviewSheet) -> None:
    if sheet.state != SheetState.OPEN or sheet.review.state != State.OPEN:
        raise WrongState(
            f"{sheet.ref} can no longer be decided.",
            fact=stands(sheet.get_state_display()),
            rule="review-state",
            who=["nobody; a duty is ended, or asked for anew, on the object's people page"],
        )
    if sheet.review.late:
        raise WrongState(
            f"{sheet.ref} can no longer be decided.",
            fact=f"It was due on {sheet.review.due_at:%Y-%m-%d %H:%M} UTC: what nobody confirmed lapses.",
            rule="review-due",
            who=["nobody; who still needs a duty asks for it anew"],
        )


@registries.precondition("access.sign_review")
def refuse_unless_decided(sheet: ReviewSheet) -> None:
    refuse_unless_open(sheet)
    left = [line["ref"] for line in shown(sheet) if not line["decision"]]
    if left:
        raise WrongState(
            f"{sheet.ref} cannot be signed yet.",
            fact=f"{len(left)} of {len(sheet.lines)} lines are undecided: {', '.join(left[:5])}"
            + ("…" if len(left) > 5 else "."),
            rule="review-undecided",
            who=["its reviewer, after deciding every line"],
        )


@act("access.decide_review")
def decide_review(
    act: Act, sheet_id: int, *, seen: str, decisions: Mapping[str, Mapping[str, str]]
) -> ReviewSheet:
    """Write down what is to be kept or ended; nothing ends before the sheet is signed.

    seen: digest of the sheet that was shown. decisions: line reference -> {"decision": keep | end | "", "comment"}.
    """
    sheet = _locked(act, sheet_id)
    act.allow(sheet)
    if content_digest(sheet) != seen:
        raise Conflict(
            "Nothing was written: the sheet changed since it was shown to you.",
            fact="Another reviewer decided meanwhile, or a duty on it ended.",
            rule="stale",
            who=["you, after reading it again"],
        )
    over, problems = gone(sheet), {}
    lines = [dict(line) for line in sheet.lines]
    known = {line["ref"]: line for line in lines}
    changed = 0
    for ref, given in decisions.items():
        decision, comment = given.get("decision", ""), given.get("comment", "").strip()
        line = known.get(ref)
        if line is None:
            problems[ref] = ["This line is not on the sheet."]
        elif decision not in ("", *DECISIONS):
            problems[ref] = ["Choose keep or end."]
        elif len(comment) > MAX_COMMENT:
            problems[ref] = [f"A comment has at most {MAX_COMMENT} characters."]
        elif decision == "end" and not comment:
            problems[ref] = ["Say why it ends."]
        elif (line["kind"], line["id"]) not in over and (line["decision"], line["comment"]) != (
            decision,
            comment,
        ):
            line.update(decision=decision, comment=comment, by=act.user.username if decision else "")
            changed += 1
    if problems:
        raise BadInput("Nothing was written.", rule="access-review", fields=problems)
    act.write(sheet, lines=lines)
    act.event(changed=changed, undecided=len(sheet.undecided))
    return sheet


@act("access.sign_review")
def sign_review(act: Act, sheet_id: int) -> ReviewSheet:
    """Sign the decisions: what is to end ends now, what is kept is confirmed."""
    sheet = _locked(act, sheet_id)
    act.allow(sheet)
    if act.decision == "rejected":
        raise WrongState(
            "A review is signed as it was decided.",
            fact="Signing it as rejected would confirm and end nothing.",
            rule="review-decision",
            who=["you, after deciding its lines otherwise"],
        )
    act.refuse_if_changed(sheet)
    signature = act.sign(sheet, record_version=f"of {sheet.review.ref}")
    ended = []
    lines = shown(sheet)
    for line in lines:
        if line["decision"] == "end":
            GRANTS[line["kind"]].end(act, line["id"], f"{sheet.review.ref}: {line['comment']}")
            ended.append(line["ref"])
        line["outcome"] = {"keep": "kept", "end": "ended", "gone": "gone"}[line["decision"]]
    act.write(sheet, state=SheetState.SIGNED, signature=signature, lines=lines, decided_at=now())
    act.event(ended=ended, kept=sum(line["outcome"] == "kept" for line in lines))
    _close_when_done(act, sheet.review)
    return sheet


@act("access.lapse_review")
def lapse_review(act: Act, sheet_id: int) -> ReviewSheet:
    """The due date passed unsigned: every grant on the sheet ends, except the last that the organisation needs."""
    sheet = _locked(act, sheet_id)
    act.allow(sheet)
    refuse_before_due(sheet)
    lines, ended, stayed = shown(sheet), [], []
    for line in lines:
        if line["decision"] == "gone":
            line["outcome"] = "gone"
        elif _indispensable(line):
            line["outcome"] = "sole"
            stayed.append(line["ref"])
        else:
            reason = (
                f"Nobody confirmed it in {sheet.review.ref}, due {sheet.review.due_at:%Y-%m-%d %H:%M} UTC"
            )
            GRANTS[line["kind"]].end(act, line["id"], reason)
            line["outcome"] = "lapsed"
            ended.append(line["ref"])
    act.write(sheet, state=SheetState.LAPSED, lines=lines, decided_at=now())
    act.event(ended=ended, last_of_their_duty=stayed)
    _close_when_done(act, sheet.review)
    return sheet


def _indispensable(line: Line) -> bool:
    """Whether nobody else holds this duty of the organisation, without which no duty could be given again."""
    if line["kind"] != Assignment.subject_kind or line["duty"] not in INDISPENSABLE:
        return False
    others = Assignment.objects.active().on(*ORGANISATION).filter(duty=Duty(line["duty"]))
    return not others.exclude(pk=line["id"]).exists()


def refuse_before_due(sheet: ReviewSheet) -> None:
    if sheet.state != SheetState.OPEN or not sheet.review.late:
        raise WrongState(
            f"{sheet.ref} does not lapse.",
            fact=f"It is {sheet.get_state_display().lower()}, due {sheet.review.due_at:%Y-%m-%d %H:%M} UTC.",
            rule="review-due",
            who=["nobody"],
        )


def _close_when_done(act: Act, review: AccessReview) -> None:
    sheets = list(review.sheets.select_related("whose", "signature").order_by("pk"))
    if any(sheet.state == SheetState.OPEN for sheet in sheets):
        return
    for sheet in sheets:
        sheet.review = review
    review.state, review.closed_at = State.CLOSED, now()
    act.write(review, result_digest=digest(result_of(review, sheets)))
    act.event(closed=review.ref, result=review.result_digest)


@act("access.withdraw_review")
def withdraw_review(act: Act, review_id: int) -> AccessReview:
    """Withdraw a campaign that is not closed: what was signed stays, nothing lapses.

    Not by whoever has a line on an open sheet of it (DY17): it would keep their own duty unreviewed.
    """
    review = act.lock(AccessReview.objects.all(), pk=review_id)
    act.allow(review)
    for sheet in review.sheets.select_for_update().filter(state=SheetState.OPEN):
        act.write(sheet, state=SheetState.WITHDRAWN, decided_at=now())
    return act.end(review, state=State.WITHDRAWN, closed_at=now())


@registries.precondition("access.withdraw_review")
def refuse_unless_running(review: AccessReview) -> None:
    if review.state != State.OPEN or review.late:
        fact = stands(review.get_state_display())
        if review.late:
            fact = "Its due date has passed: what nobody confirmed lapses."
        raise WrongState(
            f"{review.ref} cannot be withdrawn.",
            fact=fact,
            rule="review-state",
            who=["nobody; open another one"],
        )


def due_sheets() -> list[Any]:
    """Numbers of the sheets whose due date has passed unsigned, oldest campaign first."""
    rows = ReviewSheet.objects.filter(
        state=SheetState.OPEN, review__state=State.OPEN, review__due_at__lte=now()
    )
    return list(rows.order_by("review_id", "pk").values_list("pk", flat=True))
