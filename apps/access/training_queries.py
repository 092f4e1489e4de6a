"""Reads of training for pages and API: the matrix of people and duties, and one person's trainings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Concat

from apps.access import duties
from apps.access.actors import Actor
from apps.access.assigning import PARENTS
from apps.access.duties import Duty
from apps.access.gate import Scopes, visible, visible_within
from apps.access.models import Assignment, TrainingRecord
from apps.access.training import (
    BOARD,
    NEEDING,
    Book,
    Standing,
    State,
    book_in_force,
    records_of,
    seats_of,
    standings_for,
    worst,
)
from apps.accounts.models import User
from apps.core.clock import now

ALL = frozenset({Duty.ADMINISTRATOR}) | duties.SEES_ALL


def sees_all(actor: Actor) -> bool:
    """Whether the reader sees the training of others than themselves."""
    return bool(Scopes(actor.user).organisation_duties & ALL)


def held(actor: Actor) -> QuerySet[Assignment, Any]:
    """Duties in force whose holders' training the reader may see: the rows of the matrix."""
    rows: QuerySet[Assignment, Any] = visible(actor, Assignment)
    rows = rows.filter(pk__in=Assignment.objects.active().values("pk")).select_related("person")
    return rows if sees_all(actor) else rows.filter(person=actor.user)


def standings(assignments: Iterable[Assignment]) -> dict[int, list[Standing]]:
    """Assignment -> what its duty needs and how it stands; two queries for all of them."""
    rows, book, today = list(assignments), book_in_force(), now().date()
    records = records_of({a.person_id for a in rows})
    return {a.pk: standings_for(book, a, records[a.person_id], today) for a in rows}


def in_state(rows: QuerySet[Assignment, Any], wanted: str) -> QuerySet[Assignment, Any]:
    """Rows whose worst training is in this state; "none" where nothing is needed, "gap" for any that blocks."""
    found = {pk: worst(each) for pk, each in standings(rows).items()}
    blocking = {State.MISSING, State.LAPSED, State.OUTDATED}
    named: dict[str, set[State | None]] = {"none": {None}, "gap": set(blocking)}
    fits = named.get(wanted) or {State(wanted)}
    return rows.filter(pk__in=[pk for pk, state in found.items() if state in fits])


def records(actor: Actor, person: User) -> QuerySet[TrainingRecord, Any]:
    """What was ever recorded of a person, newest first, corrected records too."""
    rows = with_places(actor, visible(actor, TrainingRecord).filter(person=person))
    return rows.select_related("recorded_by", "corrects", "corrected_by").order_by("-completed_on", "-pk")


def with_places(actor: Actor, rows: QuerySet[TrainingRecord, Any]) -> QuerySet[TrainingRecord, Any]:
    """The same rows, each with `place_told`: its model as the reader may know it, one's own always by its name."""
    seen = visible_within(actor, _models()).filter(pk=OuterRef("model_id")).order_by()
    named = When(Q(model_id=0) | Q(person_id=actor.pk) | Exists(seen), then=F("place"))
    number = Concat(Value("model no. "), Cast("model_id", CharField()))
    return rows.annotate(place_told=Case(named, default=number, output_field=CharField()))


def _models() -> Any:
    return apps.get_model(PARENTS[duties.MODEL])


@dataclass(frozen=True)
class Needed:
    """One training that a person's duties need, once for each model it is about."""

    standing: Standing
    duties: tuple[str, ...]
    place: str


def needed(actor: Actor, person: User) -> list[Needed]:
    """What the person's duties in force need, worst first."""
    mine: list[Assignment] = list(
        visible(actor, Assignment).filter(person=person, pk__in=Assignment.objects.active().values("pk"))
    )
    found: dict[tuple[str, int], tuple[Standing, set[str]]] = {}
    standing = standings(mine)
    for assignment in mine:
        for each in standing[assignment.pk]:
            words = found.setdefault((each.kind.id, each.model_id), (each, set()))[1]
            words.add(duties.WORDS[Duty(assignment.duty)])
    for each in _in_seats(person):
        found.setdefault((each.kind.id, each.model_id), (each, set()))[1].add(NEEDING[BOARD])
    names = _model_names(actor, person, {model for _kind, model in found})
    order = list(State)
    made = [Needed(s, tuple(sorted(w)), names.get(s.model_id, "")) for s, w in found.values()]
    return sorted(made, key=lambda n: (-order.index(n.standing.state), n.standing.kind.title, n.place))


def _in_seats(person: User) -> list[Standing]:
    """What the person's seats on review boards need; asks nothing where the matrix asks nothing of members."""
    book = book_in_force()
    if not book.duties[BOARD] or not (seats := seats_of(person.pk)):
        return []
    records = records_of([person.pk])[person.pk]
    return [each for seat in seats for each in standings_for(book, seat, records)]


def _model_names(actor: Actor, person: User, ids: Iterable[int]) -> dict[int, str]:
    """Model -> its short name, as the person reads it of themselves; of others where the reader sees the model."""
    wanted = {pk for pk in ids if pk}
    if not wanted:
        return {}
    rows = _models().objects.all() if person.pk == actor.pk else visible(actor, _models())
    known = dict(rows.filter(pk__in=wanted).values_list("pk", "slug"))
    return {pk: known.get(pk, f"model no. {pk}") for pk in wanted}


def gaps(book: Book) -> list[tuple[Assignment, list[Standing]]]:
    """Whom this matrix would stop today: every duty in force that lacks something."""
    rows = list(Assignment.objects.active().select_related("person").order_by("person__printed_name", "duty"))
    known, today = records_of({a.person_id for a in rows}), now().date()
    found = []
    for a in rows:
        lacking = [s for s in standings_for(book, a, known[a.person_id], today) if not s.good]
        if lacking:
            found.append((a, lacking))
    return found


def own_warnings(person: User) -> list[Standing]:
    """What the person's own duties lack or are about to lack; nothing before a matrix is in force."""
    if not book_in_force().binding:
        return []
    mine = list(Assignment.objects.active().filter(person=person))
    unique: dict[tuple[str, int], Standing] = {}
    for each in [*(s for rows in standings(mine).values() for s in rows), *_in_seats(person)]:
        if each.state != State.CURRENT:
            unique[each.kind.id, each.model_id] = each
    return list(unique.values())
