"""Training: a matrix put into force, a training recorded by another person, the signature policy accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from apps.access import duties
from apps.access.acting import Act, act
from apps.access.assigning import parent_of
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Assignment, TrainingMatrix, TrainingRecord
from apps.access.training import (
    NEEDING,
    RULE,
    SOON,
    Book,
    Held,
    Kind,
    State,
    body_of,
    book_in_force,
    months_later,
    records_of,
    seats_of,
    standings_for,
)
from apps.access.training_models import POLICY
from apps.accounts.models import User
from apps.core import blobs, registries
from apps.core.clock import now
from apps.core.digests import digest
from apps.core.errors import BadInput, Conflict, NotVisible, WrongState

_STATE = Assignment.State
MAX_EVIDENCE, MAX_POLICY, MAX_EDITION = 4000, 8000, 20


@act("access.adopt_training_matrix")
def adopt_training_matrix(
    act: Act,
    *,
    seen: int,
    needs: Mapping[str, Iterable[str]],
    editions: Mapping[str, str] | None = None,
    policy: str | None = None,
) -> TrainingMatrix:
    """Put into force which duty needs which training, from now on; the reason says why.

    seen: version of the matrix that was shown (0: none in force). needs: duty -> kinds. editions: kind -> the edition
    that counts (empty: any). policy: text of the signature policy; a new text needs a new edition of it.
    Refused: to whoever would rid themselves of a training that they lack, or that lapses soon.
    """
    act.allow(ORGANISATION_SUBJECT)
    # The person row is no lock on the matrix, its unique version is: of two at once the second is refused.
    before = book_in_force()
    if seen != before.version:
        raise Conflict(
            "The training matrix was not put into force.",
            fact=f"You were shown v{seen}; v{before.version} has come into force meanwhile.",
            rule="stale",
            who=["you, after reading the matrix again"],
        )
    proposed = proposed_book(before, needs, editions, policy)
    refuse_own_relief(act.user, before, proposed)
    body = body_of(proposed)
    made = act.create(
        TrainingMatrix,
        version=before.version + 1,
        body=body,
        digest=digest(body),
        reason=act.reason,
        adopted_by=act.user,
        adopted_at=now(),
    )
    act.event(version=made.version, digest=made.digest)
    act.about(made)
    return made


def proposed_book(
    before: Book,
    needs: Mapping[str, Iterable[str]],
    editions: Mapping[str, str] | None = None,
    policy: str | None = None,
) -> Book:
    """The matrix as it was asked for; BadInput with every fault in it."""
    problems: dict[str, list[str]] = {}
    wanted: dict[str, tuple[str, ...]] = {}
    for duty, kinds in needs.items():
        chosen = set(kinds)
        if duty not in NEEDING:
            problems.setdefault("needs", []).append(f"There is no duty {str(duty)[:40]!r}.")
        elif unknown := sorted(chosen - set(before.kinds)):
            problems.setdefault("needs", []).append(f"There is no training {', '.join(unknown)[:80]!r}.")
        else:
            wanted[duty] = tuple(each for each in before.kinds if each in chosen)
    known = {k: v.strip() for k, v in (before.editions if editions is None else editions).items()}
    if bad := sorted(set(known) - set(before.kinds)):
        problems.setdefault("editions", []).append(f"There is no training {', '.join(bad)[:80]!r}.")
    if any(len(each) > MAX_EDITION for each in known.values()):
        problems.setdefault("editions", []).append(f"An edition has at most {MAX_EDITION} characters.")
    text = before.policy if policy is None else policy.strip()
    if not text or len(text) > MAX_POLICY:
        problems["policy"] = [f"Write the signature policy, in at most {MAX_POLICY} characters."]
    elif text != before.policy and known.get(POLICY, "") == before.edition(POLICY) and before.binding:
        problems["policy"] = ["A new text needs a new edition: who accepted the old one accepts the new one."]
    if not known.get(POLICY):
        problems.setdefault("editions", []).append("The signature policy needs an edition.")
    if problems:
        raise BadInput("The training matrix was not put into force.", rule="training-matrix", fields=problems)
    every: dict[str, tuple[str, ...]] = {each: wanted.get(each, ()) for each in NEEDING}
    return replace(before, duties=every, editions={k: v for k, v in known.items() if v}, policy=text)


def refuse_own_relief(person: User, before: Book, proposed: Book) -> None:
    """Who can change the matrix gains nothing by it: what they lack today they still lack afterwards.

    One that lapses soon counts as lacking. One that is current does not: a matrix that nobody who holds it in good
    standing could change would keep a training for ever.
    """
    if not before.binding:
        return
    records = records_of([person.pk])[person.pk]
    held = Assignment.objects.filter(person=person, state__in=[_STATE.REQUESTED, _STATE.APPROVED])
    # One that has not begun counts as well; so does a seat on a review board.
    concerned: list[Assignment | Held] = [*held.exclude(ends_at__lte=now()), *seats_of(person.pk)]
    for assignment in concerned:
        still = {(s.kind.id, s.model_id): s.good for s in standings_for(proposed, assignment, records)}
        which = f"nobody relieves themselves of a training they lack, or that lapses within {SOON.days} days"
        for each in standings_for(before, assignment, records):
            # What was lacking may not become good by the change; what lapses soon may not cease to be asked.
            good_after = still.get((each.kind.id, each.model_id), True)
            removed = (each.kind.id, each.model_id) not in still
            if (not each.good and good_after) or (each.state == State.SOON and removed):
                raise Conflict(
                    "You cannot put this matrix into force.",
                    fact=f"Your own training {each.told()}, and it would no longer be asked of you.",
                    rule=f"{RULE}: {which}",
                    who=["another compliance officer"],
                )


@act("access.record_training")
def record_training(
    act: Act,
    person_id: int,
    *,
    kind: str,
    completed_on: date,
    evidence: str,
    expires_on: date | None = None,
    model_id: int = 0,
    edition: str = "",
    corrects_id: int | None = None,
    void: bool = False,
    file_digest: str = "",
    file_name: str = "",
) -> TrainingRecord:
    """Record that another person was trained: what in, when, until when, by which evidence.

    corrects_id: an earlier record of the same person and kind that this one replaces; void: it only takes that one
    back. expires_on is reckoned from the kind where it is not given. file_digest: stored bytes (area `files`).
    """
    person = act.lock(User.objects.filter(is_service=False), pk=person_id)
    act.allow(person)
    if refused := another_person(act.user, person):
        raise refused
    book = book_in_force()
    found = book.kinds.get(kind)
    problems = _problems(found, completed_on, expires_on, evidence, edition, file_digest)
    place = ""
    if found and found.per_model:
        try:
            place = parent_of(duties.MODEL, model_id).slug
        except NotVisible:
            problems["model"] = ["Choose the model whose limits were taught."]
    elif model_id:
        problems["model"] = ["This training is not about a model."]
    corrected = _corrected(person, kind, corrects_id, problems)
    if void and corrected is None and "corrects" not in problems:
        problems["corrects"] = ["Say which record is taken back."]
    if problems or found is None:
        raise BadInput("The training was not recorded.", rule="training", fields=problems)
    if expires_on is None and found.months:
        expires_on = months_later(completed_on, found.months)
    if corrected is None:
        _refuse_twice(person, kind, model_id, completed_on, edition.strip())
    made = act.create(
        TrainingRecord,
        person=person,
        kind=kind,
        model_id=model_id,
        place=place,
        edition=edition.strip() or book.edition(kind),
        completed_on=completed_on,
        expires_on=expires_on,
        evidence=evidence.strip(),
        file_digest=file_digest,
        file_name=file_name[:200] if file_digest else "",
        file_size=blobs.path(file_digest).stat().st_size if file_digest else None,
        recorded_by=act.user,
        recorded_at=now(),
        corrects=corrected,
        void=void,
    )
    act.event(person=person.username, training=found.title, until=str(expires_on or ""))
    if corrected:
        act.event(corrects=corrected.ref, void=void)
    act.about(made)
    return made


def another_person(recorder: User, person: User) -> Conflict | None:
    """Why `recorder` may not record this person's training; None when they may."""
    if recorder.pk != person.pk:
        return None
    return Conflict(
        "You cannot record your own training.",
        fact="This is your own account.",
        rule=f"{RULE}: another person records it",
        who=["another compliance officer or registrar"],
    )


def _problems(
    kind: Kind | None, done: date, until: date | None, evidence: str, edition: str, file_digest: str
) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    if kind is None:
        problems["kind"] = ["Choose one of the kinds of training."]
    elif kind.own:
        problems["kind"] = ["The person accepts the signature policy themselves, on their account page."]
    if done > now().date():
        problems["completed_on"] = ["A training lies in the past."]
    elif done.year < 1950:
        problems["completed_on"] = ["This is too long ago to count."]
    if until is not None and until <= done:
        problems["expires_on"] = ["It lapses after it was completed."]
    elif until is not None and kind and kind.months and until > months_later(done, kind.months):
        problems["expires_on"] = [f"“{kind.title}” lasts at most {kind.months} months."]
    if not evidence.strip() or len(evidence) > MAX_EVIDENCE:
        problems["evidence"] = [f"Say what shows it, in at most {MAX_EVIDENCE} characters."]
    if len(edition) > MAX_EDITION:
        problems["edition"] = [f"An edition has at most {MAX_EDITION} characters."]
    if file_digest:
        try:
            there = blobs.exists(file_digest)
        except ValueError:
            there = False
        if not there:
            problems["file"] = ["Upload the file first."]
    return problems


def _corrected(
    person: User, kind: str, corrects_id: int | None, problems: dict[str, list[str]]
) -> TrainingRecord | None:
    if corrects_id is None:
        return None
    rows = TrainingRecord.objects.filter(person=person, kind=kind, pk=corrects_id)
    row = rows.select_related("corrected_by").first()
    if row is None:
        problems["corrects"] = ["This person has no such record of this kind."]
        return None
    later = getattr(row, "corrected_by", None)
    if later is not None:
        raise WrongState(
            f"{row.ref} cannot be corrected.",
            fact=f"{later.ref} corrected it already.",
            rule="training-corrected",
            who=[f"you, by correcting {later.ref}"],
        )
    return row


def _refuse_twice(person: User, kind: str, model_id: int, done: date, edition: str) -> None:
    same = TrainingRecord.objects.filter(
        person=person, kind=kind, model_id=model_id, completed_on=done, corrected_by=None, void=False
    )
    if edition:
        same = same.filter(edition=edition)
    if (row := same.first()) is not None:
        raise Conflict(
            "This training is recorded already.",
            fact=f"{row.ref} says so.",
            rule="once-only",
            who=[f"you, by correcting {row.ref}"],
        )


@act("access.accept_signature_policy")
def accept_signature_policy(act: Act, person_id: int, *, edition: str) -> TrainingRecord:
    """The person accepts the signature policy in the edition they were shown (21 CFR 11.10(j))."""
    person = act.lock(User.objects.all(), pk=person_id)
    act.own(person)
    act.allow(person)
    book = book_in_force()
    if edition != book.edition(POLICY):
        raise Conflict(
            "The signature policy was not accepted.",
            fact=f"You were shown edition {edition[:MAX_EDITION] or 'none'}; {book.edition(POLICY)} is current.",
            rule="21 CFR 11.10(j)",
            who=["you, after reading the current text"],
        )
    known = TrainingRecord.objects.filter(person=person, kind=POLICY, edition=edition, corrected_by=None)
    if known.exists():
        raise WrongState(
            "You have accepted this policy already.",
            fact=f"Edition {edition}, on {known[0].completed_on}.",
            rule="training-state",
            who=["nobody; it counts"],
        )
    made = act.create(
        TrainingRecord,
        person=person,
        kind=POLICY,
        edition=edition,
        completed_on=now().date(),
        evidence=f"Read and accepted in the portal. Digest of the text: {digest({'policy': book.policy})}",
        recorded_by=person,
        recorded_at=now(),
    )
    act.event(edition=edition, text=digest({"policy": book.policy}))
    act.about(made)
    return made


@registries.precondition("access.record_training")
def refuse_for_the_gone(person: User) -> None:
    if not person.is_active or person.is_service:
        raise WrongState(
            "No training is recorded for this account.", fact="It is not in use.", rule="account-state"
        )


@dataclass(frozen=True)
class Evidence:
    """A file that shows a training: its name, the digest it was checked against, and where its bytes lie."""

    name: str
    digest: str
    path: Path


@act("access.read_training_evidence")
def read_training_evidence(act: Act, record_id: int) -> Evidence:
    """Take away the file that shows a training; every reading is logged."""
    row = act.lock(TrainingRecord.objects.select_related("person"), pk=record_id)
    act.allow(row)
    if not blobs.verify(row.file_digest):
        raise blobs.damaged(blobs.BlobDamaged(f"the file of {row.ref} differs from its digest"))
    act.event(file=row.file_name, digest=row.file_digest)
    return Evidence(row.file_name, row.file_digest, blobs.path(row.file_digest))


@registries.precondition("access.read_training_evidence")
def refuse_without_file(row: TrainingRecord) -> None:
    if not row.file_digest:
        raise WrongState(
            f"{row.ref} has no file.",
            fact="Its evidence is the text in the record.",
            rule="training-file",
            who=["nobody; read the record"],
        )
