"""Verbs on sensitive data: marking, asking to read, granting for hours, ending, and taking the mark away by two."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from apps.access.acting import Act, act
from apps.access.gate import is_visible
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import WrongState
from apps.datasets import grant_rules, rules
from apps.datasets.acts import marked
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.models import Dataset, DatasetVersion
from apps.datasets.profiling import stored_profile

READING = ("datasets.download_version", "datasets.read_profile", "datasets.read_test_profile")


@registries.precondition("datasets.mark_sensitive")
def refuse_if_marked(dataset: Dataset) -> None:
    if dataset.sensitive:
        raise WrongState(
            f"{dataset.slug} is marked sensitive already.",
            fact="Its rows are read only with access granted for hours.",
            rule="sensitive-access",
            who=["nobody"],
        )


@act("datasets.mark_sensitive")
def mark_sensitive(act: Act, dataset_id: int) -> Dataset:
    """From now on its rows are read only under a grant. Open requests for the opposite are for the next act."""
    dataset = act.lock(Dataset.objects.all(), pk=dataset_id)
    act.allow(dataset)
    return act.write(dataset, sensitive=True, **marked(act))


@registries.precondition("datasets.request_unmark")
def refuse_if_not_marked(dataset: Dataset) -> None:
    if not dataset.sensitive:
        raise grant_rules.not_sensitive(dataset.slug)
    waiting = dataset.unmarkings.filter(state=Unmarking.State.REQUESTED).first()
    if waiting is not None:
        raise WrongState(
            "This was asked for already.",
            fact=f"{waiting.ref} waits for a second person.",
            rule="sensitive-access",
            who=["whoever may decide it"],
        )


@act("datasets.request_unmark")
def request_unmark(act: Act, dataset_id: int) -> Unmarking:
    """Ask that the mark be taken away; it stays until somebody else approves."""
    dataset = act.lock(Dataset.objects.all(), pk=dataset_id)
    act.allow(dataset)
    made = act.create(
        Unmarking, dataset=dataset, reason=act.reason, requested_by=act.user, requested_at=now()
    )
    act.about(made)
    return made


def _unmarking(act: Act, unmarking_id: int) -> Unmarking:
    # The dataset first, as in marking: the other way round two acts could wait for each other.
    act.lock(Dataset.objects.all(), pk__in=Unmarking.objects.filter(pk=unmarking_id).values("dataset_id"))
    found: Unmarking = act.lock(Unmarking.objects.select_related("dataset", "requested_by"), pk=unmarking_id)
    act.allow(found)
    return found


@registries.precondition("datasets.approve_unmark")
@registries.precondition("datasets.refuse_unmark")
def refuse_decided_unmarking(unmarking: Unmarking) -> None:
    if unmarking.state != Unmarking.State.REQUESTED:
        raise grant_rules.refuse_decided(unmarking.ref, unmarking.get_state_display())


@act("datasets.approve_unmark")
def approve_unmark(act: Act, unmarking_id: int) -> Unmarking:
    """The second person: the dataset is no longer sensitive."""
    found = _unmarking(act, unmarking_id)
    act.write(found, state=Unmarking.State.APPROVED, decided_by=act.user, decided_at=now())
    act.write(found.dataset, sensitive=False, marked_by=None, marked_at=None, mark_reason="")
    return found


@act("datasets.refuse_unmark")
def refuse_unmark(act: Act, unmarking_id: int) -> Unmarking:
    """The mark stays, with a reason."""
    found = _unmarking(act, unmarking_id)
    return act.write(
        found,
        state=Unmarking.State.REFUSED,
        decided_by=act.user,
        decided_at=now(),
        decision_reason=act.reason,
    )


# ---------------------------------------------------------------- access for hours


@registries.precondition("datasets.request_read")
def refuse_if_open(version: DatasetVersion) -> None:
    if not version.dataset.sensitive:
        raise grant_rules.not_sensitive(version.dataset.slug)


@act("datasets.request_read")
def request_read(act: Act, version_id: int, *, hours: int) -> ReadGrant:
    """Ask to read a sensitive dataset (all its versions); the reason of the act is the justification."""
    version = act.lock(DatasetVersion.objects.select_related("dataset"), pk=version_id)
    dataset = act.lock(Dataset.objects.all(), pk=version.dataset_id)  # puts two requests in order
    act.allow(version)
    wanted = grant_rules.hours_of(hours, settings.SENSITIVE_HOURS)
    mine = ReadGrant.objects.filter(dataset=dataset, person=act.user)
    waiting = mine.filter(state=ReadGrant.State.REQUESTED).first()
    held = waiting or mine.in_force().first()
    if held is not None:
        raise grant_rules.refuse_second(held.ref, held.state, held.expires_at)
    grant = act.create(
        ReadGrant,
        dataset=dataset,
        person=act.user,
        justification=act.reason,
        hours=wanted,
        requested_at=now(),
    )
    act.event(dataset=dataset.slug, hours=wanted)
    act.about(grant)
    return grant


def _grant(act: Act, grant_id: int) -> ReadGrant:
    act.lock(Dataset.objects.all(), pk__in=ReadGrant.objects.filter(pk=grant_id).values("dataset_id"))
    found: ReadGrant = act.lock(ReadGrant.objects.select_related("dataset", "person"), pk=grant_id)
    act.allow(found)
    return found


@registries.precondition("datasets.grant_read")
@registries.precondition("datasets.refuse_read")
def refuse_decided_grant(grant: ReadGrant) -> None:
    if grant.state != ReadGrant.State.REQUESTED:
        raise grant_rules.refuse_decided(grant.ref, grant.word)


@act("datasets.grant_read")
def grant_read(act: Act, grant_id: int, *, hours: int) -> ReadGrant:
    """Open the rows to the person for `hours`, at most what was asked for; it lapses by itself. Never to oneself."""
    grant = _grant(act, grant_id)
    given = grant_rules.hours_of(hours, min(grant.hours, settings.SENSITIVE_HOURS))
    newest = grant.dataset.versions.order_by("-pk").first()
    if not grant.person.is_active or newest is None or not is_visible(grant.person, grant.dataset):
        raise WrongState(
            f"{grant.ref} can no longer be granted.",
            fact=f"{grant.person.printed_name} no longer sees {grant.dataset.slug}: the duty that did has ended.",
            rule="sensitive-access",
            who=["nobody; it can be refused"],
        )
    moment = now()
    act.write(
        grant,
        state=ReadGrant.State.GRANTED,
        hours_given=given,
        decided_by=act.user,
        decided_at=moment,
        decision_reason=act.reason,
        expires_at=moment + timedelta(hours=given),
    )
    act.event(person=grant.person.username, hours=given)
    return grant


@act("datasets.refuse_read")
def refuse_read(act: Act, grant_id: int) -> ReadGrant:
    """The rows stay shut to the person, with a reason."""
    grant = _grant(act, grant_id)
    return act.write(
        grant,
        state=ReadGrant.State.REFUSED,
        decided_by=act.user,
        decided_at=now(),
        decision_reason=act.reason,
    )


@registries.precondition("datasets.end_read")
def refuse_if_over(grant: ReadGrant) -> None:
    if not grant.in_force():
        raise grant_rules.refuse_over(grant.ref, grant.word)


@act("datasets.end_read")
def end_read(act: Act, grant_id: int) -> ReadGrant:
    """End it before its hours are over."""
    grant = _grant(act, grant_id)
    return act.end(grant, state=ReadGrant.State.ENDED)


# ---------------------------------------------------------------- reading


@registries.precondition("datasets.read_profile")
def read_profile_precondition(version: DatasetVersion) -> None:
    rules.may_read_sensitive_profile(
        version.ref, version.partition, version.state, version.failure, sensitive=version.dataset.sensitive
    )


@act("datasets.read_profile")
def read_profile(act: Act, version_id: int) -> dict:
    """The profile of a sensitive training or tuning version, with a few values of each column."""
    version = act.lock(DatasetVersion.objects.select_related("dataset"), pk=version_id)
    act.allow(version)
    profile = stored_profile(version)
    act.event(profile=version.profile_digest)
    return profile
