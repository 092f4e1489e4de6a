"""Sensitive data: what opens a reading act to one person, and what the gate is told of requests and grants."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import Scopes
from apps.access.models import Assignment
from apps.access.separation import Deed
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import NotAllowed, Refused
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.models import Dataset, DatasetVersion

RULE = "sensitive-access"


def opened_to(person: User, dataset: Dataset) -> tuple[str, ...]:
    """Words of the grant under which `person` may read `dataset` now; NotAllowed when it is shut to them."""
    if not dataset.sensitive:
        return ()
    newest = ReadGrant.objects.filter(dataset=dataset, person=person).order_by("-pk").first()
    held = ReadGrant.objects.in_force().filter(dataset=dataset, person=person).order_by("-expires_at").first()
    if held is not None:
        return (held.told(),)
    raise _shut(dataset, newest, person)


def _shut(dataset: Dataset, newest: ReadGrant | None, person: User) -> Refused:
    fact = f"{dataset.slug} is marked sensitive, and you have no access to its rows in force."
    if newest is not None and newest.state == ReadGrant.State.REQUESTED:
        fact = (
            f"{dataset.slug} is marked sensitive, and {newest.ref}, which you asked for, is not decided yet."
        )
    elif newest is not None and newest.expires_at is not None and newest.expires_at <= now():
        ran_out = f"{newest.expires_at:%Y-%m-%d %H:%M} UTC"
        fact = f"{dataset.slug} is marked sensitive, and your access to its rows ({newest.ref}) ran out on {ran_out}."
    elif newest is not None and newest.ended_at is not None:
        ended = f"{newest.ended_at:%Y-%m-%d %H:%M} UTC"
        fact = f"{dataset.slug} is marked sensitive, and your access to its rows ({newest.ref}) was ended on {ended}."
    elif newest is not None and newest.state == ReadGrant.State.REFUSED:
        fact = f"{dataset.slug} is marked sensitive, and {newest.ref}, which you asked for, was refused."
    return NotAllowed(
        "These data cannot be read.",
        fact=fact,
        rule=f"{RULE}: sensitive data are read with a justification, for hours, as granted by their steward",
        who=stewards(dataset, besides=person),
    )


def stewards(dataset: Dataset, *, besides: User) -> list[str]:
    """Who grants access to the rows of `dataset` to others than themself, in the words of a refusal."""
    held = Assignment.objects.active().on(duties.DATASET, dataset.pk).filter(duty=duties.Duty.STEWARD)
    held = held.exclude(person=besides).order_by("person__printed_name")
    names = list(held.values_list("person__printed_name", flat=True))
    if not names:
        return ["nobody yet: an owner or compliance officer can give somebody the duty test-data steward"]
    return [f"{name}, who grants access when you ask for it" for name in names]


@registries.allowance("datasets.download_version")
@registries.allowance("datasets.read_profile")
@registries.allowance("datasets.read_test_profile")
def version_opened(person: User, version: DatasetVersion) -> tuple[str, ...]:
    return opened_to(person, version.dataset)


@registries.facts("datasets.read_grant")
def grant_facts(grant: ReadGrant) -> Facts:
    """Who asks and receives is declared, so that nobody grants it to themself (DY17)."""
    declared: tuple[Deed, ...] = ()
    if grant.pk is not None:
        told = "asked to read these data"
        declared = (Deed(str(grant.person.uuid), "receive_grant", grant.subject_kind, str(grant.pk), told),)
    return Facts(parents=((duties.DATASET, grant.dataset_id),), declared=declared)


@registries.facts("datasets.unmarking")
def unmarking_facts(unmarking: Unmarking) -> Facts:
    kind, told = unmarking.subject_kind, "asked that the mark be taken away"
    asked = Deed(str(unmarking.requested_by.uuid), "request_grant", kind, str(unmarking.pk), told)
    return Facts(parents=((duties.DATASET, unmarking.dataset_id),), declared=(asked,))


@registries.visibility("datasets.ReadGrant")
def grants_seen(scopes: Scopes) -> Q:
    """One's own; and those on datasets on which one holds a duty."""
    return Q(person=scopes.user) | Q(dataset_id__in=scopes.of(duties.DATASET))


@registries.visibility("datasets.Unmarking")
def unmarkings_seen(scopes: Scopes) -> Q:
    return Q(dataset_id__in=scopes.of(duties.DATASET))
