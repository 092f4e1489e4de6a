"""Words of the trail are erased: one person asks and gives a ground, a compliance officer with no part in it does it.

Only words somebody typed are erased (apps.trail.erasing says which); signatures, who acted, and every field of a record
stay, as 21 CFR 11.10(e) and 11.70 and EU GMP Annex 11 (9, 14) ask: GDPR Article 17(3)(b) leaves what the law keeps.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django.db.models import Q, QuerySet

from apps.access import two_people
from apps.access.acting import Act, act
from apps.access.erasure_models import Erasure, Hold
from apps.access.gate import ORGANISATION_SUBJECT, visible
from apps.access.policy import erasures as policy
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotVisible, WrongState
from apps.trail import erasing
from apps.trail.models import Entry, Kind

TWO_PEOPLE = "erasure-two"
RETAINED = "retained"
MOST = 20  # passages of one entry
SHORTEST, LONGEST = 2, 2000  # characters of a passage
# Entries of these acts are themselves the account of an erasure or a hold.
ACCOUNTING = frozenset(row.act for row in policy.ROWS)
State = Erasure.State


def kept_by_law(entry: Entry) -> str:
    """Why no word of this entry may be erased, whoever asks; empty when some may."""
    if entry.kind not in (Kind.ACT, Kind.EVENT, Kind.REFUSAL):
        return f"Entry {entry.pk} is not one of an act, an event or a refusal."
    if entry.kind == Kind.ACT and "signatures" in json.loads(entry.body).get("facts", {}):
        return f"Entry {entry.pk} tells of a signature: the reason that was given is part of what was signed."
    if entry.kind == Kind.ACT and entry.act in ACCOUNTING:
        return f"Entry {entry.pk} accounts for an erasure or a legal hold."
    return "" if erasing.texts(entry) else f"Entry {entry.pk} holds no words that may be erased."


def concerned(entry: Entry, person: User | None) -> QuerySet[User]:
    """Who acted, on whose behalf, whose account the entry is about, and whose data they are."""
    uuids = [each for each in (entry.actor_uuid, entry.on_behalf_uuid) if each]
    ids = [int(entry.subject_id)] if entry.subject_kind == User.subject_kind else []
    if person is not None:
        ids.append(person.pk)
    return User.objects.filter(Q(uuid__in=uuids) | Q(pk__in=ids)).order_by("pk")


def holds_on(entry: Entry, person: User | None) -> list[Hold]:
    """The holds that stand on the people concerned."""
    people = concerned(entry, person).order_by().values("pk")
    placed = Hold.objects.filter(person_id__in=people, state=Hold.State.PLACED)
    return list(placed.select_related("person").order_by("pk"))


def refuse_if_kept(entry: Entry, person: User | None) -> None:
    """What law or a hold keeps is not erased, and what has no place in the log yet neither."""
    said = f"Words of entry {entry.pk} cannot be erased."
    if kept := kept_by_law(entry):
        raise WrongState(said, fact=kept, rule=RETAINED, who=["nobody"])
    if held := holds_on(entry, person):
        names = ", ".join(f"{hold.ref} on {hold.person.printed_name}" for hold in held)
        raise WrongState(
            said,
            fact=f"A legal hold stands: {names}.",
            rule="hold",
            who=["nobody before a compliance officer lifts it"],
        )
    if not erasing.is_sealed(entry):
        raise WrongState(
            said,
            fact=f"Entry {entry.pk} waits to be sealed.",
            rule="erasure-state",
            who=["the same person, once the sealer has taken it"],
        )


def places_of(entry: Entry, passages: Collection[str]) -> list[list[object]]:
    """[where, first character, behind the last] of each passage; BadInput where one does not stand in the entry."""
    texts = erasing.texts(entry)
    wanted = list(dict.fromkeys(line for each in passages if (line := each.strip())))
    found: list[list[object]] = []
    problems = []
    if not wanted or len(wanted) > MOST:
        problems = [f"Give one to {MOST} passages, each as it stands in the entry."]
    for number, passage in enumerate(wanted[:MOST], 1):
        places = [(where, text.find(passage)) for where, text in texts.items() if passage in text]
        if not SHORTEST <= len(passage) <= LONGEST:
            problems.append(f"Passage {number} needs {SHORTEST} to {LONGEST} characters.")
        elif passage in erasing.MARK:
            problems.append(f"Passage {number} is part of what stands in the place of erased words.")
        elif not places:
            problems.append(f"Passage {number} does not stand in what may be erased of the entry.")
        else:
            where, start = places[0]
            found.append([where, start, start + len(passage)])
    if problems:
        raise BadInput("The erasure was not asked for.", rule="erasure", fields={"passages": problems})
    return found


def refuse_if_repeated(reason: str, words: Collection[str]) -> None:
    """What accounts for an erasure is kept for good: words that are to go must not come back in its reason."""
    if erasing.repeats(reason, words):
        told = "It says words that are to be erased, and is itself never erased: say it without them."
        raise BadInput("Nothing was done.", rule="erasure", fields={"reason": [told]})


def words_at(entry: Entry, places: Collection[Any]) -> list[str]:
    """The words themselves, read from the entry; only while they stand there."""
    texts = erasing.texts(entry)
    return [texts[where][start:end] for where, start, end in places]


@act("access.request_erasure")
def request_erasure(
    act: Act, entry_id: int, *, passages: Collection[str], basis: str, person_id: int | None = None
) -> Erasure:
    """Ask that these passages of an entry be erased. `basis`: a value of Erasure.Basis; `person_id`: whose data they
    are, where that is somebody with an account."""
    act.allow(ORGANISATION_SUBJECT)
    entry = visible(act.actor, Entry).filter(pk=entry_id).first()
    if entry is None:
        raise NotVisible()
    person = None if person_id is None else User.objects.filter(pk=person_id).first()
    if basis not in Erasure.Basis.values or (person_id is not None and person is None):
        field, told = ("basis", "Choose a ground.") if person_id is None or person else ("person", "Nobody.")
        raise BadInput("The erasure was not asked for.", rule="erasure", fields={field: [told]})
    refuse_if_kept(entry, person)
    if Erasure.objects.filter(entry=entry.pk, state=State.REQUESTED).exists():
        raise WrongState(
            f"An erasure in entry {entry.pk} was asked for already.",
            fact="It waits for a compliance officer.",
            rule="erasure-state",
            who=["a compliance officer, who decides it, or who asked, who withdraws it"],
        )
    places = places_of(entry, passages)
    refuse_if_repeated(act.reason, words_at(entry, places))
    row = act.create(
        Erasure,
        entry=entry.pk,
        places=places,
        standing=erasing.standing(entry),
        basis=basis,
        person=person,
        reason=act.reason,
        requested_by=act.user,
        requested_at=now(),
    )
    act.event(erasure=row.ref, entry=entry.pk, basis=row.get_basis_display(), places=len(row.places))
    act.about(row)
    return row


@registries.precondition("access.refuse_erasure")
@registries.precondition("access.withdraw_erasure")
def refuse_if_decided(row: Erasure) -> None:
    two_people.refuse_if_decided(row, rule="erasure-state")


@registries.precondition("access.approve_erasure")
def refuse_if_impossible(row: Erasure) -> None:
    refuse_if_decided(row)
    entry = row.about
    refuse_if_kept(entry, row.person)
    if erasing.standing(entry) != row.standing:
        raise WrongState(
            f"{row.ref} cannot be approved.",
            fact=f"Entry {entry.pk} has changed since it was asked for.",
            rule="erasure-state",
            who=["nobody; a compliance officer refuses it, or who asked withdraws it"],
        )


def refuse_unless_third(person: User, row: Erasure) -> Conflict | None:
    """Neither who asked, nor whose data they are, nor whose act the entry tells of decides."""
    entry = row.about
    if person.pk == row.requested_by_id:
        fact = "You asked for it."
    elif person.pk == row.person_id:
        fact = "They are your own data."
    elif str(person.uuid) in (entry.actor_uuid, entry.on_behalf_uuid):
        fact = "The entry tells of your own act."
    else:
        return None
    return two_people.conflict(row, fact, rule=TWO_PEOPLE)


def _taken(act: Act, erasure_id: int) -> Erasure:
    row = act.lock(Erasure.objects.select_related("person", "requested_by"), pk=erasure_id)
    # As where a hold is placed: the two are put in order, and one of them is told of the other.
    list(concerned(row.about, row.person).select_for_update())
    act.allow(row)
    if refused := refuse_unless_third(act.user, row):
        raise refused
    _refuse_if_told(act, row)
    return row


def _refuse_if_told(act: Act, row: Erasure) -> None:
    """The reason of whoever ends it says none of the words; where the entry has changed since, nobody knows them."""
    if erasing.standing(row.about) == row.standing:
        refuse_if_repeated(act.reason, words_at(row.about, row.places))


@act("access.approve_erasure")
def approve_erasure(act: Act, erasure_id: int) -> Erasure:
    """Erase the words, in the entry and wherever its reason was copied; the entry of this act vouches for each."""
    row = _taken(act, erasure_id)
    entry, words = row.about, words_at(row.about, row.places)
    left = erasing.remains(entry, words)
    try:
        done = erasing.erase(entry, words, act.id)
    except erasing.NotAsSealed as error:
        raise WrongState(
            f"{row.ref} cannot be approved.",
            fact=f"{error} Erasing would make that look honest.",
            rule="erasure-state",
            who=["nobody before the fault that verify_trail names is settled"],
        ) from error
    act.event(erasure=row.ref, entry=entry.pk, basis=row.get_basis_display(), remains=left, **done.facts())
    return two_people.decide(act, row, State.APPROVED)


@act("access.refuse_erasure")
def refuse_erasure(act: Act, erasure_id: int) -> Erasure:
    """Leave the words as they are."""
    return two_people.decide(act, _taken(act, erasure_id), State.REFUSED)


@act("access.withdraw_erasure")
def withdraw_erasure(act: Act, erasure_id: int) -> Erasure:
    """Take back what was asked for; nobody decided it."""
    row = act.lock(Erasure.objects.all(), pk=erasure_id)
    act.allow(row)
    _refuse_if_told(act, row)
    return two_people.withdraw(act, row)
