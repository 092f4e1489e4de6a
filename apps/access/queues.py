"""The queues of this app: duties, waivers, rules, inspections, services, trusts, identities, resets, corrections,
erasures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest

from apps.access import duties
from apps.access.acts import corrections, erasures
from apps.access.acts.enrolment import prime_second_person, second_person
from apps.access.acts.resets import refuse_unless_third
from apps.access.acts.rule_changes import gains_refused
from apps.access.assigning import PARENTS
from apps.access.duties import Duty
from apps.access.erasure_models import Erasure
from apps.access.models import Assignment, Inspection, RulesChange, Waiver
from apps.access.owing import prime_owing
from apps.access.waiting import Queue, Row, columns, loaded, partly, queue
from apps.accounts.corrections import Correction
from apps.accounts.factors import Reset
from apps.accounts.models import User
from apps.accounts.services import CiTrust, ServiceAccount
from apps.core.clock import now
from apps.core.errors import Refused
from apps.trail.models import Entry

People = Mapping[int, User]


def _place(kind_column: str = "scope_kind", id_column: str = "scope_id") -> Case:
    """The short name of the model or dataset, in the query itself; who may decide there sees it."""
    return Case(
        *(
            When(
                **{kind_column: kind},
                then=Subquery(
                    apps.get_model(label)
                    ._default_manager.filter(pk=OuterRef(id_column))
                    .order_by()
                    .values("slug")[:1]
                ),
            )
            for kind, label in PARENTS.items()
        ),
        default=Value("the organisation"),
        output_field=CharField(),
    )


def _with(record: Any, people: People, row: Row, **relations: str) -> Any:
    """The record with its people: name of the relation -> column."""
    for name, column in relations.items():
        if row[column] is not None:
            setattr(record, name, people[row[column]])
    return record


# ---------------------------------------------------------------- duties


DUTIES = columns(
    "n1=person_id n2=requester_id n3=scope_id t1=scope_kind t2=duty t3=state d1=ends_at", t4=_place()
)


def _assignments(rows: list[Row], people: People) -> list[Assignment]:
    found = []
    for row in rows:
        made = _with(
            partly(Assignment, row, DUTIES, since="requested_at", due="starts_at"),
            people,
            row,
            person="n1",
            requester="n2",
        )
        made.place = row["t4"]
        found.append(made)
    prime_owing({each.person_id for each in found})
    return found


def _of_assignment(assignment: Assignment) -> tuple[str, ...]:
    approve = "organisation_" if assignment.scope_kind == duties.ORGANISATION else ""
    return (f"access.approve_{approve}assignment",)


def _parent_path(assignment: Any) -> str:
    """Where requests on it are decided."""
    if assignment.scope_kind == duties.ORGANISATION:
        return f"/people/{assignment.person.username}/#waiting"
    return f"/{assignment.scope_kind.rpartition('.')[2]}s/{assignment.place}/people/#waiting"


queue(
    Queue(
        key="duties",
        one="request for a duty",
        many="requests for a duty",
        record=Assignment,
        waits=lambda: Q(state=Assignment.State.REQUESTED),
        since="requested_at",
        due="starts_at",
        columns=DUTIES,
        people=("n1", "n2"),
        acts=_of_assignment,
        otherwise="access.refuse_assignment",
        make=_assignments,
        what=lambda a: f"{a.ref}: {a.person.printed_name} as {duties.WORDS[Duty(a.duty)]} of {a.place}",
        asked_by=lambda a: a.requester,
        path=_parent_path,
    )
)


# ---------------------------------------------------------------- waivers and rules


WAIVERS = columns(
    "n1=person_id n2=proposed_by_id n3=scope_id n4=approver_signature_id n5=compliance_signature_id "
    "t1=scope_kind t2=rule t3=place t4=state"
)


def _waivers(rows: list[Row], people: People) -> list[Waiver]:
    return [
        _with(
            partly(Waiver, row, WAIVERS, since="proposed_at", due="expires_at"),
            people,
            row,
            person="n1",
            proposed_by="n2",
        )
        for row in rows
    ]


def _halves(act: str) -> Any:
    """The acts of the signatures that are still wanted."""

    def wanted(row: Waiver | RulesChange) -> tuple[str, ...]:
        halves = (("approver", row.approver_signature_id), ("compliance", row.compliance_signature_id))
        return tuple(f"{act}_{half}" for half, given in halves if given is None)

    return wanted


queue(
    Queue(
        key="waivers",
        one="waiver to sign",
        many="waivers to sign",
        record=Waiver,
        waits=lambda: Q(state=Waiver.State.PROPOSED, expires_at__gt=now()),
        since="proposed_at",
        due="expires_at",
        columns=WAIVERS,
        people=("n1", "n2"),
        acts=_halves("access.sign_waiver"),
        make=_waivers,
        what=str,
        asked_by=lambda w: w.proposed_by,
        path=lambda w: f"/waivers/{w.pk}/",
    )
)

queue(
    Queue(
        key="rules",
        one="change of the rules to sign",
        many="changes of the rules to sign",
        record=RulesChange,
        # Signed once the replay is done: until then it waits for nobody.
        waits=lambda: Q(state=RulesChange.State.PROPOSED) & ~Q(replay_digest=""),
        since="proposed_at",
        due="effective_from",
        acts=_halves("access.sign_rules"),
        make=lambda rows, _people: loaded(
            rows, RulesChange.objects.select_related("proposed_by", "made", *RulesChange.SIGNERS)
        ),
        what=str,
        asked_by=lambda c: c.proposed_by,
        path=lambda c: f"/rules/changes/{c.pk}/",
        further=lambda person, change, _act: gains_refused(person, change),
    )
)


# ---------------------------------------------------------------- inspections, services, trusts


INSPECTIONS = columns("n1=person_id n2=requester_id t1=authority t2=state d1=ends_at")


def _inspections(rows: list[Row], people: People) -> list[Inspection]:
    return [
        _with(
            partly(Inspection, row, INSPECTIONS, since="requested_at", due="starts_at"),
            people,
            row,
            person="n1",
            requester="n2",
        )
        for row in rows
    ]


queue(
    Queue(
        key="inspections",
        one="inspection to approve",
        many="inspections to approve",
        record=Inspection,
        waits=lambda: Q(state=Inspection.State.REQUESTED),
        since="requested_at",
        due="starts_at",
        columns=INSPECTIONS,
        people=("n1", "n2"),
        acts=lambda _i: ("access.approve_inspection",),
        otherwise="access.refuse_inspection",
        make=_inspections,
        what=str,
        asked_by=lambda i: i.requester,
        path=lambda i: f"/inspections/{i.pk}/",
    )
)


SERVICES = columns("n1=owner_id n2=requester_id t1=name t2=state d1=ends_at")


def _services(rows: list[Row], people: People) -> list[ServiceAccount]:
    return [
        _with(
            partly(ServiceAccount, row, SERVICES, since="requested_at", due="starts_at"),
            people,
            row,
            owner="n1",
            requester="n2",
        )
        for row in rows
    ]


queue(
    Queue(
        key="services",
        one="service account to approve",
        many="service accounts to approve",
        record=ServiceAccount,
        waits=lambda: Q(state=ServiceAccount.State.REQUESTED),
        since="requested_at",
        due="starts_at",
        columns=SERVICES,
        people=("n1", "n2"),
        acts=lambda _s: ("access.approve_service",),
        otherwise="access.refuse_service",
        make=_services,
        what=lambda s: f"{s.ref}, {s.owner.printed_name} answers for it",
        asked_by=lambda s: s.requester,
        path=lambda s: f"/services/{s.pk}/",
    )
)


TRUSTS = columns(
    "n1=service__owner_id n2=requester_id n3=service_id t1=issuer t2=state t3=service__name t4=service__state"
)
OF_SERVICE = columns("n1=owner_id t3=name t4=state")


def _trusts(rows: list[Row], people: People) -> list[CiTrust]:
    found = []
    for row in rows:
        made = _with(partly(CiTrust, row, TRUSTS, since="requested_at"), people, row, requester="n2")
        made.service = _with(
            partly(ServiceAccount, {**row, "id": row["n3"]}, OF_SERVICE), people, row, owner="n1"
        )
        found.append(made)
    return found


queue(
    Queue(
        key="trusts",
        one="trust in a CI system to approve",
        many="trusts in CI systems to approve",
        record=CiTrust,
        waits=lambda: Q(
            state=CiTrust.State.REQUESTED,
            service__state__in=["requested", "approved", "suspended"],
        ),
        since="requested_at",
        columns=TRUSTS,
        people=("n1", "n2"),
        acts=lambda _t: ("access.approve_trust",),
        otherwise="access.refuse_trust",
        make=_trusts,
        what=lambda t: f"{t.ref} of {t.service.ref}: {t.issuer}",
        asked_by=lambda t: t.requester,
        path=lambda t: f"/services/{t.service_id}/#trusts",
    )
)


# ---------------------------------------------------------------- identities, resets and corrections


def _duties_held() -> Exists:
    return Exists(Assignment.objects.active().filter(person=OuterRef("pk")).exclude(duty=Duty.INSPECTOR))


def _lifted() -> Greatest:
    """When the identity was last to be confirmed: by a reset, by another name, or since there is the account."""
    resets = Reset.objects.filter(person=OuterRef("pk"), state=Reset.State.APPROVED)
    names = Correction.objects.filter(person=OuterRef("pk"), state=Correction.State.APPROVED)
    return Greatest(*(_newest(rows) for rows in (resets, names.exclude(printed_name=""))))


def _newest(rows: QuerySet[Any]) -> Coalesce:
    return Coalesce(Subquery(rows.order_by("-decided_at").values("decided_at")[:1]), "created_at")


def _identities(rows: list[Row], people: People) -> list[User]:
    found = [people[row["n1"]] for row in rows]
    prime_second_person(found)
    return found


queue(
    Queue(
        key="identities",
        one="identity to confirm",
        many="identities to confirm",
        record=User,
        # Who holds a duty and cannot sign by it: nobody has made sure who they are, or a reset or another name
        # has lifted that.
        waits=lambda: Q(_duties_held(), is_active=True, is_service=False, identity_confirmed_at=None),
        since=_lifted(),
        columns={"n1": "id"},
        people=("n1",),
        acts=lambda _u: ("access.confirm_identity",),
        make=_identities,
        what=lambda u: f"{u.printed_name} ({u.ref}) cannot sign until somebody confirms who they are",
        path=lambda u: f"/people/{u.username}/identity/",
        further=lambda person, user, _act: second_person(person, user),
        told_again=True,
    )
)


RESETS = columns("n1=person_id n2=requested_by_id t1=what t2=state")


def _resets(rows: list[Row], people: People) -> list[Reset]:
    return [
        _with(partly(Reset, row, RESETS, since="requested_at"), people, row, person="n1", requested_by="n2")
        for row in rows
    ]


def _third(person: User, reset: Reset, _act: str) -> Refused | None:
    return refuse_unless_third(person, reset)


queue(
    Queue(
        key="resets",
        one="reset to decide",
        many="resets to decide",
        record=Reset,
        waits=lambda: Q(state=Reset.State.REQUESTED),
        since="requested_at",
        columns=RESETS,
        people=("n1", "n2"),
        acts=lambda _r: ("access.approve_reset",),
        otherwise="access.refuse_reset",
        make=_resets,
        what=lambda r: f"{r.ref}: {r.get_what_display().lower()} of {r.person.printed_name}",
        asked_by=lambda r: r.requested_by,
        path=lambda r: f"/resets/{r.pk}/",
        further=_third,
    )
)


CORRECTIONS = columns(
    "n1=person_id n2=requested_by_id t1=printed_name t2=state t3=name_before t4=email t5=email_before"
)


def _corrections(rows: list[Row], people: People) -> list[Correction]:
    return [
        _with(
            partly(Correction, row, CORRECTIONS, since="requested_at"),
            people,
            row,
            person="n1",
            requested_by="n2",
        )
        for row in rows
    ]


def _corrected(row: Correction) -> str:
    """What is to be corrected; not into what, which a mail need not carry about."""
    return " and ".join(
        told for told, given in (("printed name", row.printed_name), ("e-mail address", row.email)) if given
    )


queue(
    Queue(
        key="corrections",
        one="correction to decide",
        many="corrections to decide",
        record=Correction,
        waits=lambda: Q(state=Correction.State.REQUESTED),
        since="requested_at",
        columns=CORRECTIONS,
        people=("n1", "n2"),
        acts=lambda _c: ("access.approve_correction",),
        otherwise="access.refuse_correction",
        make=_corrections,
        what=lambda c: f"{c.ref}: {_corrected(c)} of {c.person.printed_name}",
        asked_by=lambda c: c.requested_by,
        path=lambda c: f"/corrections/{c.pk}/",
        further=lambda person, row, _act: corrections.refuse_unless_third(person, row),
    )
)


def _erasures(rows: list[Row], _people: People) -> list[Erasure]:
    found: list[Erasure] = loaded(rows, Erasure.objects.select_related("person", "requested_by"))
    entries = Entry.objects.in_bulk([row.entry for row in found])
    for row in found:
        row.about = entries[row.entry]
    return found


queue(
    Queue(
        key="erasures",
        one="erasure to decide",
        many="erasures to decide",
        record=Erasure,
        waits=lambda: Q(state=Erasure.State.REQUESTED),
        since="requested_at",
        # Whether it can be approved is told on its page; refused it can be in any case.
        acts=lambda _e: ("access.refuse_erasure",),
        make=_erasures,
        what=lambda e: f"{e.ref}: {e.told}",
        asked_by=lambda e: e.requested_by,
        path=lambda e: f"/erasures/{e.pk}/",
        further=lambda person, erasure, _act: erasures.refuse_unless_third(person, erasure),
    )
)
