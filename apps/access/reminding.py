"""Who is told what by mail: trainings that lapse, access reviews that are due, what waits to be decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from apps.access import unreviewed
from apps.access.actors import Actor
from apps.access.acts.reminders import remind
from apps.access.gate import eligible
from apps.access.models import AccessReview, Assignment, Reminder, ReviewSheet
from apps.access.reviewing import gone_of
from apps.access.training import State, book_in_force, records_of, standings_for
from apps.access.waiting import deciders
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Conflict

REVIEW_STAGES = ((timedelta(days=1), "1 day"), (timedelta(days=7), "7 days"))
TRAINING_STAGES = ((timedelta(0), "lapsed"), (timedelta(days=7), "7 days"), (timedelta(days=30), "30 days"))


@dataclass(frozen=True)
class Due:
    """One thing to tell one person."""

    about_kind: str
    about_id: int
    person_id: int
    stage: str
    title: str
    text: str

    @property
    def key(self) -> tuple[str, int, int, str]:
        return (self.about_kind, self.about_id, self.person_id, self.stage)


def remind_all() -> int:
    """Tell what is due and was not told yet; how many were told."""
    worker, count = Actor.service("worker"), 0
    for due in [
        *unsaid(trainings_due()),
        *unsaid(reviews_due()),
        *unsaid(decisions_due()),
        *unsaid(not_reviewed()),
    ]:
        try:
            remind(worker, **vars(due))
        except Conflict:  # another worker told it at this moment
            continue
        count += 1
    return count


def unsaid(found: Iterable[Due]) -> list[Due]:
    wanted = {due.key: due for due in found}
    ids = {due.about_id for due in wanted.values()}
    told = Reminder.objects.filter(about_id__in=ids).values_list(
        "about_kind", "about_id", "person_id", "stage"
    )
    known = set(told)
    return [due for key, due in wanted.items() if key not in known]


def trainings_due() -> Iterator[Due]:
    """Trainings that somebody needs for a duty they hold, and that lapse within 30 days or have just lapsed."""
    book, today = book_in_force(), now().date()
    if not book.binding:
        return
    held = list(Assignment.objects.active().select_related("person"))
    records = records_of({a.person_id for a in held})
    for assignment in held:
        for each in standings_for(book, assignment, records[assignment.person_id], today):
            if each.record is None or each.state not in (State.SOON, State.LAPSED):
                continue
            if (until := each.record.expires_on) is None or today - until > timedelta(days=30):
                continue
            stage = next(word for left, word in TRAINING_STAGES if until - today <= left)
            verb = "lapsed" if stage == "lapsed" else "lapses"
            yield Due(
                each.record.subject_kind,
                each.record.pk,
                assignment.person_id,
                stage,
                f"Your training “{each.kind.title}” {verb} on {until}",
                f"Dear {assignment.person.printed_name},\n\n"
                f"your training “{each.kind.title}”{f' ({each.record.place})' if each.record.place else ''} {verb} on "
                f"{until}. Your duties need it: from that day on the portal refuses the acts of those duties until a "
                "newer training is recorded by a compliance officer or registrar.\n\n"
                f"{_link('/people/' + assignment.person.username + '/')}\n",
            )


def reviews_due() -> Iterator[Due]:
    """Of open campaigns due within a week: reviewers of unsigned sheets, and the people whose duties would lapse."""
    moment, week = now(), REVIEW_STAGES[-1][0]
    rows = ReviewSheet.objects.filter(
        state=ReviewSheet.State.OPEN,
        review__state=AccessReview.State.OPEN,
        review__due_at__gt=moment,
        review__due_at__lte=moment + week,
    )
    sheets = list(rows.select_related("review", "whose"))
    over = gone_of(sheets)
    for sheet in sheets:
        left = sheet.review.due_at - moment
        stage = next(word for within, word in REVIEW_STAGES if left <= within)
        due = f"{sheet.review.due_at:%Y-%m-%d %H:%M} UTC"
        link = _link(f"/reviews/sheets/{sheet.pk}/")
        reviewers = eligible("access.sign_review", sheet)
        for person in reviewers:
            yield _about(
                sheet,
                person,
                stage,
                f"{sheet.review.ref}: {sheet.title} waits for your review until {due}",
                f"the access review “{sheet.review.title}” waits for you: {sheet.title}, {len(sheet.lines)} "
                f"line{'s' if len(sheet.lines) != 1 else ''}. It is due {due}. What nobody has confirmed by then "
                f"lapses by itself.\n\n{link}\n",
            )
        yield from _holders(sheet, over[sheet.pk], stage, due, reviewers)


def _holders(
    sheet: ReviewSheet, over: dict[tuple[str, int], str], stage: str, due: str, reviewers: list[User]
) -> Iterator[Due]:
    lines: dict[str, list[str]] = {}
    for line in sheet.lines:
        if (line["kind"], line["id"]) not in over:
            lines.setdefault(line["person"], []).append(line["word"])
    known = {u.username: u for u in User.objects.filter(username__in=lines, is_active=True)}
    names = ", ".join(person.printed_name for person in reviewers) or "a compliance officer"
    for username, person in known.items():
        words = ", ".join(lines[username])
        yield _about(
            sheet,
            person,
            stage,
            f"{sheet.review.ref}: your duty {words} on {sheet.place} is not confirmed yet"[:200],
            f"your duty {words} on {sheet.place} is under review ({sheet.review.ref}) and not confirmed yet. Unless "
            f"{names} confirms it, it lapses on {due}.\n",
        )


def decisions_due() -> Iterator[Due]:
    """What waits on somebody's page of work besides versions: told once to each person who could decide it."""
    for queue, record, since, able in deciders():
        asked_by = queue.asked_by(record)
        by = f", asked for by {asked_by.printed_name}" if asked_by else ""
        title = f"{queue.one[0].upper()}{queue.one[1:]}: {queue.what(record)}"[:200]
        for person in able:
            yield Due(
                record.subject_kind,
                record.pk,
                person.pk,
                f"{since:%y%m%d%H%M%S}" if queue.told_again else "asked",
                title,
                f"Dear {person.printed_name},\n\n"
                f"this waits for a decision since {since:%Y-%m-%d %H:%M} UTC{by}, and you can decide it:\n\n"
                f"{queue.one}: {queue.what(record)}\n\n{_link(queue.path(record))}\n",
            )


def not_reviewed() -> Iterator[Due]:
    """Access that nobody has reviewed for a year: told to each compliance officer, about them, once a month."""
    for officer, stage, title, text in unreviewed.due(_link("/reviews/new/")):
        yield Due(officer.subject_kind, officer.pk, officer.pk, stage, title, text)


def _about(sheet: ReviewSheet, person: User, stage: str, title: str, text: str) -> Due:
    dear = f"Dear {person.printed_name},\n\n"
    return Due(sheet.subject_kind, sheet.pk, person.pk, stage, title, dear + text)


def _link(path: str) -> str:
    return settings.PORTAL_URL.rstrip("/") + path


def told_of(about: Any) -> Any:
    """Who was told of a record, newest first."""
    rows = Reminder.objects.filter(about_kind=about.subject_kind, about_id=about.pk)
    return rows.select_related("person").order_by("-pk")
