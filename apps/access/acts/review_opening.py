"""Opening an access review: a few objects at once, many by a job, so that no request waits for thousands of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from apps.access.acting import Act, act
from apps.access.duties import DATASET, MODEL
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import AccessReview, ReviewSheet
from apps.access.reviewing import GRANTS, ORGANISATION, Line, Place, places_of, split
from apps.accounts.models import User
from apps.core import jobs, registries
from apps.core.clock import iso, now
from apps.core.errors import BadInput, Conflict, WrongState
from apps.core.models import Job
from apps.core.rulewords import stands

SOONEST, LATEST = timedelta(days=1), timedelta(days=366)
OPENING = "access.prepare_review"
AT_ONCE = 50  # objects; more are gone through by the job
STEP = 50  # objects between two words of progress
State, SheetState = AccessReview.State, ReviewSheet.State


@act("access.open_review")
def open_review(
    act: Act,
    *,
    title: str,
    due_at: datetime | None,
    models: Iterable[int] | str = (),
    datasets: Iterable[int] | str = (),
    organisation: bool = False,
) -> AccessReview:
    """Open a campaign over models and datasets (their numbers, or "all") and the organisation's own duties.

    Each object gets a sheet for its owner, and one for each owner's own duties; the reason says why now. Over many
    objects it is prepared by a job, which opens it.
    """
    act.allow(ORGANISATION_SUBJECT)
    problems: dict[str, list[str]] = {}
    if not title.strip() or len(title) > 120:
        problems["title"] = ["Name the review, in at most 120 characters."]
    if due_at is None or not now() + SOONEST <= due_at <= now() + LATEST:
        problems["due_at"] = ["It is due a day from now at the earliest, and within a year."]
    places: dict[Place, str] = {ORGANISATION: "the organisation"} if organisation else {}
    for field, kind, chosen in (("models", MODEL, models), ("datasets", DATASET, datasets)):
        every = places_of([kind]) if chosen else {}
        wanted = set(every) if chosen == "all" else {(kind, int(pk)) for pk in chosen}
        if wanted - set(every):
            problems[field] = ["Choose among the models and datasets that there are."]
        places |= {place: every[place] for place in every if place in wanted}
    if not places and not problems:
        problems["models"] = ["Choose what is reviewed: models, datasets or the organisation."]
    if problems or due_at is None:
        raise BadInput("The review was not opened.", rule="access-review", fields=problems)
    _refuse_twice(places)
    later = len(places) > AT_ONCE
    held = {} if later else lines_of(places)
    if not held and not later:
        raise BadInput(
            "The review was not opened.",
            rule="access-review",
            fields={"models": ["Nobody holds a duty there: there is nothing to review."]},
        )
    review = act.create(
        AccessReview,
        title=title.strip(),
        reason=act.reason,
        opened_by=act.user,
        opened_at=now(),
        due_at=due_at,
        state=State.PREPARING if later else State.OPEN,
        chosen=[[kind, pk, name] for (kind, pk), name in places.items()],
    )
    act.event(due=iso(due_at), objects=len(places))
    if later:
        act.write(review, job=act.after_commit(OPENING, review))
    else:
        _write_sheets(act, review, places, held)
    act.about(review)
    return review


def lines_of(
    places: Mapping[Place, str], report: Callable[[int, int, str], None] | None = None
) -> dict[Place, list[Line]]:
    """What is held on each place, by every kind of grant."""
    every, found = list(places), {}
    for start in range(0, len(every), STEP):
        if report is not None:
            report(start, len(every), "Going through what is held")
        part: dict[Place, list[Line]] = {}
        for grants in GRANTS.values():
            for place, lines in grants.held(every[start : start + STEP]).items():
                part.setdefault(place, []).extend(lines)
        found.update(part)
    if report is not None:
        report(len(every), len(every), "Writing the sheets")
    return found


def _write_sheets(
    act: Act, review: AccessReview, places: Mapping[Place, str], held: Mapping[Place, list[Line]]
) -> None:
    own = {whose for place, lines in held.items() for whose, _part in split(place, lines) if whose}
    people = {u.username: u for u in User.objects.filter(username__in=own)}
    sheets = 0
    for place, lines in held.items():
        for whose, part in split(place, lines):
            person = people[whose] if whose else None
            act.create(
                ReviewSheet,
                review=review,
                scope_kind=place[0],
                scope_id=place[1],
                place=places[place],
                whose=person,
                whose_key=person.pk if person else 0,
                lines=part,
            )
            sheets += 1
    act.write(review, empty=sorted(name for place, name in places.items() if place not in held))
    act.event(sheets=sheets, lines=sum(len(lines) for lines in held.values()))


def chosen_of(review: AccessReview) -> dict[Place, str]:
    return {(kind, pk): name for kind, pk, name in review.chosen}


@act("access.finish_review_opening")
def finish_review_opening(
    act: Act, review_id: int, *, job: Job, held: Mapping[Place, list[Line]]
) -> AccessReview:
    """Write the sheets that the job went through, and open the campaign."""
    review = act.lock(AccessReview.objects.all(), pk=review_id)
    act.allow(review)
    jobs.end(job)
    act.write(review, state=State.OPEN)
    _write_sheets(act, review, chosen_of(review), held)
    return review


@act("access.fail_review_opening")
def fail_review_opening(act: Act, review_id: int, *, job: Job, message: str) -> AccessReview:
    """Nothing was opened: its objects are free for another campaign."""
    review = act.lock(AccessReview.objects.all(), pk=review_id)
    act.allow(review)
    jobs.end(job, state=Job.State.FAILED, error=message)
    why = f"It could not be opened: {message}"
    return act.end(review, why=why, state=State.WITHDRAWN, closed_at=now())


@registries.precondition("access.finish_review_opening")
@registries.precondition("access.fail_review_opening")
def refuse_unless_preparing(review: AccessReview) -> None:
    if review.state != State.PREPARING:
        raise WrongState(
            f"{review.ref} is not being opened.",
            fact=stands(review.get_state_display()),
            rule="review-state",
            who=["nobody"],
        )


def _refuse_twice(places: Mapping[Place, str]) -> None:
    open_ones = ReviewSheet.objects.filter(state=SheetState.OPEN).select_related("review")
    taken = {(s.scope_kind, s.scope_id): s.review.ref for s in open_ones}
    for review in AccessReview.objects.filter(state=State.PREPARING):
        taken |= dict.fromkeys(chosen_of(review), review.ref)
    if both := [f"{name} ({taken[place]})" for place, name in places.items() if place in taken]:
        raise Conflict(
            "The review was not opened.",
            fact=f"Under review already: {', '.join(sorted(both)[:10])}.",
            rule="once-only",
            who=["a compliance officer, when that review is closed or withdrawn"],
        )
