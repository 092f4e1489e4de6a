"""The access register: who could do what, now and at any moment past.

Rebuilt from the history of assignments and accounts, which no act and no administrator can change: the newest row of
each record written at or before the moment. Rows of one record with the same time are told apart by their number,
which the database counts up. It tells what duties allow: training, second factor and separation of duties are asked
besides, when the act is done. The acts are those of the policy table in force then, as far as the trail holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from apps.access import duties, policy_then
from apps.access.actors import Actor
from apps.access.duties import Duty
from apps.access.gate import visible
from apps.access.models import Assignment, SeparationRules, Waiver
from apps.access.policy import TABLE, Policy
from apps.access.policy_then import PolicyThen
from apps.access.queries import place_names
from apps.access.training_then import TrainingThen
from apps.accounts.models import User
from apps.core.clock import iso
from apps.trail.standing import is_ours

# Records that belong to the organisation and to no model or dataset: an administrator's duty counts on these alone.
OF_ORGANISATION = ("organisation", "accounts.", "access.")


def newest_at(model: Any, moment: datetime) -> QuerySet[Any]:
    """History rows of `model`: of each record the newest that was written at or before `moment`."""
    past = model.history.model
    written = past.objects.filter(history_date__lte=moment)
    last = written.order_by().values(model._meta.pk.name).annotate(last=Max("history_id")).values("last")
    return past.objects.filter(history_id__in=last).exclude(history_type="-")


def people_at(moment: datetime) -> QuerySet[Any]:
    """Accounts that were usable at `moment`, as history rows."""
    people = newest_at(User, moment).filter(is_active=True)
    return people if settings.DEMO else people.filter(is_demo=False)


def held_at(moment: datetime) -> QuerySet[Any]:
    """Every duty in force at `moment`, as history rows, of people whose account was usable then.

    Each row has `name_then`, `username_then` and `identified_then` (identity confirmed by a second person).
    """
    people = people_at(moment)
    person = (
        User.history.model.objects.filter(id=OuterRef("person_id"), history_date__lte=moment)
        .order_by("-history_id")
        .values
    )
    rows = newest_at(Assignment, moment).filter(
        Q(ends_at=None) | Q(ends_at__gt=moment),
        state=Assignment.State.APPROVED,
        starts_at__lte=moment,
        person_id__in=people.values("id"),
    )
    return rows.annotate(
        name_then=Subquery(person("printed_name")[:1]),
        username_then=Subquery(person("username")[:1]),
        identified_then=Subquery(person("identity_confirmed_at")[:1]),
    )


def register(actor: Actor, moment: datetime) -> QuerySet[Any]:
    """`held_at`, of the assignments the reader may see."""
    return held_at(moment).filter(id__in=visible(actor, Assignment).values("pk"))


def counts(duty: str, scope_kind: str, row: Policy) -> bool:
    """Whether the duty, held there, allows the act on some record there: what `Judge.counts` says, without a record."""
    if duty not in row.duties or (duty == Duty.INSPECTOR and not row.reads):
        return False
    of_organisation = not row.subject or row.subject.startswith(OF_ORGANISATION)
    anywhere = row.subject in ("*", "access.assignment")
    if scope_kind == duties.ORGANISATION:
        return duty != Duty.ADMINISTRATOR or of_organisation
    return anywhere or not of_organisation or row.subject == "access.waiver"


def acts_of(
    duty: str, scope_kind: str, *, identified: bool = True, table: Mapping[str, Policy] = TABLE
) -> list[Policy]:
    """Acts that the duty allows on records there, by `table`. Signing asks for a confirmed identity.

    Training and second factor are asked besides.
    """
    rows = [row for row in table.values() if not row.service and counts(duty, scope_kind, row)]
    return [row for row in rows if identified or not row.signs]


def could(row: Policy, *, duty: str, scope_kind: str, identified: bool) -> bool:
    return counts(duty, scope_kind, row) and (identified or not row.signs)


def holding(rows: QuerySet[Any], act: str, table: Mapping[str, Policy] = TABLE) -> QuerySet[Any]:
    """Of the register, whose duty allows `act` somewhere there; training and second factor are asked besides.

    By `table`, where an act that was not there yet is allowed to nobody.
    """
    if (row := table.get(act)) is None:
        return rows.none()
    fits = Q(pk__in=[])
    for kind in (duties.ORGANISATION, duties.MODEL, duties.DATASET):
        held = [duty for duty in row.duties if counts(duty, kind, row)]
        if held:
            fits |= Q(scope_kind=kind, duty__in=held)
    rows = rows.filter(fits)
    return rows.exclude(identified_then=None) if row.signs else rows


def on_object(actor: Actor, rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    """Of the register, what is held on the model or dataset of this short name, or on the organisation."""
    said = name.strip().lower()
    if said in ("organisation", "the organisation"):
        return rows.filter(scope_kind=duties.ORGANISATION)
    fits = Q(pk__in=[])
    for kind, label in (("registry.model", "registry.Model"), ("datasets.dataset", "datasets.Dataset")):
        ids = visible(actor, apps.get_model(label)).filter(slug__iexact=said).values("pk")
        fits |= Q(scope_kind=kind, scope_id__in=ids)
    return rows.filter(fits)


def by_person(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    """Of the register, who had this username, or this in the name, then."""
    said = name.strip().removeprefix("@")
    return rows.filter(Q(username_then__iexact=said) | Q(name_then__icontains=said))


@dataclass(frozen=True)
class Standing:
    """What else was in force at the moment: the rules of separation, and waivers by person and place."""

    rules_version: int | None
    waivers: dict[tuple[int, str, int], tuple[str, ...]]
    training: TrainingThen
    policy: PolicyThen

    def acts(self, row: Any) -> list[Policy]:
        """What the duty of this row allowed then."""
        confirmed = row.identified_then is not None
        return acts_of(row.duty, row.scope_kind, identified=confirmed, table=self.policy.rows)

    def trained(self, row: Any) -> str:
        """How the training stood that the duty of this row needs."""
        return self.training.told(row.person_id, row.duty, row.scope_kind, row.scope_id)

    def opened(self, row: Any) -> tuple[str, ...]:
        return self.waivers.get((row.person_id, row.scope_kind, row.scope_id), ())


def standing_at(moment: datetime) -> Standing:
    newest = SeparationRules.objects.filter(effective_from__lte=moment).order_by("-version").first()
    found: dict[tuple[int, str, int], tuple[str, ...]] = {}
    rows = Waiver.objects.in_force(moment).select_related("person", *Waiver.SIGNERS)
    for each in rows:
        key = (each.person_id, each.scope_kind, each.scope_id)
        found[key] = (*found.get(key, ()), each.told())
    people = newest_at(Assignment, moment).values("person_id")
    training = TrainingThen(moment, people)
    return Standing(newest.version if newest else None, found, training, policy_then.at(moment))


def names_of(actor: Actor, rows: QuerySet[Any]) -> dict[str, str]:
    """Scope text to its words, for every place in the register."""
    pairs = rows.order_by().values_list("scope_kind", "scope_id").distinct()
    return place_names(actor, [_Placed(kind, pk) for kind, pk in pairs])  # type: ignore[misc]


def asked_besides() -> str:
    """What the register leaves out of "could": said on the page and in what is taken away."""
    told = (
        "Training and second factor are asked besides: who lacks one that an act needs is refused although the "
        "register names them. How the training stood then is told; which second factors there were is not."
    )
    if settings.SECOND_FACTOR == "required":
        return told
    reason = settings.SECOND_FACTOR_REASON.strip() or "no reason is stated"
    return f"{told} In this installation second factors are offered now, not required ({reason})."


@dataclass(frozen=True)
class _Placed:
    scope_kind: str
    scope_id: int

    @property
    def scope(self) -> str:
        return duties.scope_text(self.scope_kind, self.scope_id)


def as_data(row: Any, place: str, standing: Standing) -> dict[str, Any]:
    """One line of the register for API and export."""
    acts = standing.acts(row)
    return {
        "assignment": f"A-{row.id}",
        "username": row.username_then,
        "printed_name": row.name_then,
        "duty": row.duty,
        "object": place,
        "scope": duties.scope_text(row.scope_kind, row.scope_id),
        "since": iso(row.starts_at),
        "until": iso(row.ends_at) if row.ends_at else None,
        "identity_confirmed": row.identified_then is not None,
        "acts": [each.act for each in acts],
        "policy": standing.policy.digest,
        "policy_since": iso(standing.policy.since) if standing.policy.since else None,
        "training": standing.trained(row),
        "waivers": list(standing.opened(row)),
        "history_row": row.history_id,
        "intact": is_ours(row),
    }
