"""“Ask A. Novak”: who meets a refusal asks somebody who may. It gives no power, and tells nothing of the record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apps.access.acting import Act, act
from apps.access.ask_models import Ask
from apps.access.gate import Judge, eligible, may
from apps.access.policy import TABLE
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, Refused, TooMany, WrongState
from apps.core.rulewords import stands
from apps.core.subjects import Subject, models_by_kind

MOST = 20  # of one person in a day
DAY = timedelta(days=1)
MAX_ANSWER = 500


def subject_of(name: str, pk: int) -> Subject:
    """The record that the act `name` would be done on; NotVisible where the act is done on none."""
    model = models_by_kind().get(TABLE[name].subject) if name in TABLE else None
    found: Any = model._default_manager.filter(pk=pk).first() if model is not None else None
    if found is None:
        raise NotVisible()
    record: Subject = found
    return record


def who_may(person: User, name: str, subject: Subject) -> list[User]:
    """Whom `person` can ask to do this now; raises the refusal where there is nothing to be asked."""
    verdict = may(person, name, subject)
    if verdict.allowed:
        raise Conflict(
            "You need not ask anybody.",
            fact=f"You can do “{verdict.label}” on {subject.ref} yourself.",
            rule="ask",
            who=["you"],
        )
    if verdict.status == 404:
        raise verdict.refusal()
    if (shut := Judge(subject).state_refusal(name)) is not None:
        raise shut  # nobody can do it as the record stands
    return [each for each in eligible(name, subject) if each.pk != person.pk]


@act("access.ask")
def ask(act: Act, name: str, about_id: int, *, person_id: int) -> Ask:
    """Ask the person to do the act `name` on a record. Refused: who could do it themselves, a record in a state that
    forbids it, somebody who may not do it either, the same twice, more than 20 in a day.
    """
    asker = act.lock(User.objects.all(), pk=act.user.pk)
    subject = subject_of(name, about_id)
    act.asked(of=name)
    act.allow(subject)
    people = {each.pk: each for each in who_may(asker, name, subject)}
    if person_id not in people:
        names = ", ".join(sorted(each.printed_name for each in people.values()))
        problem = f"Choose one of those who can do it now: {names}." if names else "Nobody can do it now."
        raise BadInput("Nobody was asked.", rule="ask", fields={"person": [problem]})
    mine = Ask.objects.filter(asker=asker)
    same = mine.filter(
        act=name, about_kind=subject.subject_kind, about_id=subject.pk, person_id=person_id
    ).filter(asked_at__gt=now() - DAY)
    if same.exists():
        raise Conflict(
            f"{people[person_id].printed_name} was asked already.",
            fact="You asked the same within a day.",
            rule="ask",
            who=["you, tomorrow", *[each.printed_name for pk, each in people.items() if pk != person_id]],
        )
    if mine.filter(asked_at__gt=now() - DAY).count() >= MOST:
        raise TooMany("You have asked often today.", fact=f"At most {MOST} in a day.", retry_after=3600)
    for old in mine.filter(
        act=name,
        about_kind=subject.subject_kind,
        about_id=subject.pk,
        person_id=person_id,
        state=Ask.State.OPEN,
    ):
        act.write(old, state=Ask.State.DECLINED, answered_at=now(), answer="Not answered; asked anew.")
    row = act.create(
        Ask,
        act=name,
        about_kind=subject.subject_kind,
        about_id=subject.pk,
        about_ref=str(subject.ref)[:160],
        asker=asker,
        person=people[person_id],
        asked_at=now(),
    )
    act.event(of=name, asked=people[person_id].username, request=row.pk)
    return row


@registries.precondition("access.answer_ask")
def refuse_if_answered(row: Ask) -> None:
    if row.state != Ask.State.OPEN:
        raise WrongState(
            "This was answered already.",
            fact=stands(row.get_state_display()),
            rule="ask",
            who=["nobody; it can be asked anew"],
        )


def refuse_others(person: User, row: Ask) -> Refused | None:
    """Only the person who was asked answers."""
    if person.pk == row.person_id:
        return None
    return NotAllowed(
        f"You cannot answer {row.ref}.",
        fact=f"It was asked of {row.person.printed_name}.",
        rule="ask",
        who=[row.person.printed_name],
    )


@act("access.answer_ask")
def answer_ask(act: Act, ask_id: int, *, done: bool, answer: str = "") -> Ask:
    """Take what was asked off one's page of work: done, or declined with a sentence. What was asked is done by its
    own act, not by this one."""
    row = act.lock(Ask.objects.select_related("asker", "person"), pk=ask_id)
    if act.sees(row) and (refused := refuse_others(act.user, row)) is not None:
        raise refused
    act.allow(row)
    said = answer.strip()
    if len(said) > MAX_ANSWER or (not done and not said):
        raise BadInput(
            "Nothing was answered.",
            rule="ask",
            fields={"answer": [f"Say in a sentence why not, in at most {MAX_ANSWER} characters."]},
        )
    act.event(done=done)
    return act.write(
        row, state=Ask.State.DONE if done else Ask.State.DECLINED, answered_at=now(), answer=said
    )
