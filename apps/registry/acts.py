"""Every verb on models and their versions."""

from __future__ import annotations

import re

from django.db.models import Max

from apps.access.acting import Act, act
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT, visible, would_conflict
from apps.access.naming import name_owner
from apps.access.signing import content_digest, has_valid
from apps.accounts.models import User
from apps.core import blobs, registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict
from apps.datasets.models import DatasetVersion
from apps.datasets.receiving import Download, download_of
from apps.datasets.states import Partition
from apps.datasets.states import State as DataState
from apps.registry import rules
from apps.registry.checks import data_fixed, in_force, intended_use_signed
from apps.registry.models import IntendedUse, Model, Version, VersionAuthor, VersionData
from apps.registry.states import TRANSITIONS, State, tier

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,59}")


@act("registry.register_model")
def register_model(act: Act, *, slug: str, name: str, owner_id: int, description: str = "") -> Model:
    """Register a model and name its owner, whose duty a compliance officer then approves."""
    act.allow(ORGANISATION_SUBJECT)
    problems: dict[str, list[str]] = {}
    if not SLUG.fullmatch(slug) or slug == "register":
        problems["slug"] = ["2 to 60 small letters, digits and dashes, starting with a letter or digit."]
    elif Model.objects.filter(slug=slug).exists():
        problems["slug"] = ["A model has this short name already."]
    if not name.strip():
        problems["name"] = ["Enter a name."]
    if problems:
        raise BadInput("The model was not registered.", fields=problems)
    model = act.create(
        Model,
        slug=slug,
        name=name.strip(),
        description=description,
        registered_by=act.user,
        registered_at=now(),
    )
    name_owner(act, model, owner_id, Duty.OWNER)
    act.about(model)
    return model


@act("registry.write_intended_use")
def write_intended_use(act: Act, model_id: int, *, given: dict) -> IntendedUse:
    """Write a new number of the intended use and risk; the tier follows from influence and consequence.

    `given`: the texts of `rules.USE_TEXTS`, influence, consequence, and the flags gmp_critical, affects_people,
    raised_by_one with raised_rationale.
    """
    model = act.lock(Model.objects.all(), pk=model_id)
    act.allow(model)
    use = rules.checked_use(given)
    found = tier(
        use["influence"], use["consequence"], raised=use["raised_by_one"], gmp_critical=use["gmp_critical"]
    )
    last = IntendedUse.objects.filter(model=model).aggregate(last=Max("number"))["last"] or 0
    written = act.create(
        IntendedUse,
        model=model,
        number=last + 1,
        tier=found,
        written_by=act.user,
        written_at=now(),
        **use,
    )
    act.about(written)
    act.event(tier=str(found))
    return written


def _use_may_be_signed(use: IntendedUse, meaning: str, words: str) -> None:
    newest = not IntendedUse.objects.filter(model=use.model_id, number__gt=use.number).exists()
    rules.may_sign_use(use.ref, words, newest=newest, signed=has_valid(use, meaning))


@registries.precondition("registry.sign_intended_use_expert")
def _expert_may_sign(use: IntendedUse) -> None:
    _use_may_be_signed(use, "responsibility", "process expert")


@registries.precondition("registry.sign_intended_use_owner")
def _owner_may_sign(use: IntendedUse) -> None:
    _use_may_be_signed(use, "approval", "owner")


def _sign_use(act: Act, use_id: int) -> IntendedUse:
    use = act.lock(IntendedUse.objects.select_related("model", "written_by"), pk=use_id)
    act.allow(use)
    if act.decision != "approved":
        raise BadInput(
            "An intended use is signed or left unsigned.",
            fields={
                "decision": ["Write a new number with what is wrong mended, instead of rejecting this one."]
            },
        )
    act.sign(use, record_version=f"v{use.number}")
    return use


@act("registry.sign_intended_use_expert")
def sign_intended_use_expert(act: Act, use_id: int) -> IntendedUse:
    """The process expert takes responsibility for the intended use."""
    return _sign_use(act, use_id)


@act("registry.sign_intended_use_owner")
def sign_intended_use_owner(act: Act, use_id: int) -> IntendedUse:
    """The owner approves the intended use, unless the owner wrote it (DY13)."""
    return _sign_use(act, use_id)


def _data(act: Act, ids: list[int]) -> list[DatasetVersion]:
    """The dataset versions named: visible, fixed, and never test data."""
    found = list(visible(act.actor, DatasetVersion).filter(pk__in=ids).select_related("dataset"))
    problems = [
        f"Dataset version {pk} is not known, or you may not see it."
        for pk in sorted(set(ids) - {d.pk for d in found})
    ]
    problems += [
        f"{d.ref} is test data: a version is never made from it."
        for d in found
        if d.partition == Partition.TEST
    ]
    problems += [
        f"{d.ref} is not fixed yet."
        for d in found
        if d.partition != Partition.TEST and d.state != DataState.FIXED
    ]
    if problems:
        raise BadInput("The version was not registered.", fields={"data_versions": problems})
    return found


def _authors(ids: list[int]) -> list[User]:
    found = list(User.objects.filter(pk__in=ids, is_service=False))
    if len(found) != len(set(ids)):
        raise BadInput(
            "The version was not registered.", fields={"authors": ["Choose people with an account."]}
        )
    return found


def _declare(act: Act, version: Version, person: User) -> VersionAuthor:
    """Declare an author; refused where having developed this version would break a rule for that person."""
    broken = would_conflict(person, frozenset({"develop"}), version)
    if broken is not None:
        raise Conflict(
            f"{person.printed_name} cannot be an author of {version.ref}.",
            fact=f"{person.printed_name} {broken.deed.told}.",
            rule=f"{broken.rule.id}: {broken.rule.text}",
            who=["If it is true, report it as a deviation: it cannot be registered as if it were in order."],
        )
    return act.create(VersionAuthor, version=version, person=person, declared_by=act.user, declared_at=now())


@act("registry.register_version")
def register_version(
    act: Act,
    model_id: int,
    *,
    label: str,
    intended_use_id: int,
    artefact_digest: str,
    artefact_size: int,
    artefact_name: str,
    artefact_format: str,
    interface: dict,
    features: list[str],
    code_commit: str,
    data_version_ids: list[int],
    author_ids: list[int],
    code_archive_digest: str = "",
    environment_digest: str = "",
    image_digest: str = "",
    hyperparameters: dict | None = None,
    claimed_metrics: dict | None = None,
    parent_id: int | None = None,
    note: str = "",
) -> Version:
    """Register a model version. Who uploads, whose token is used and every declared author count as its makers.

    The file was stored (`core.blobs`) and looked at in the sandbox (`inspecting.inspect_artefact`) before.
    """
    model = act.lock(Model.objects.all(), pk=model_id)
    act.allow(model)
    said = {
        "label": label,
        "artefact_digest": artefact_digest,
        "artefact_name": artefact_name,
        "artefact_format": artefact_format,
        "interface": interface,
        "features": features,
        "code_commit": code_commit,
        "code_archive_digest": code_archive_digest,
        "environment_digest": environment_digest,
        "image_digest": image_digest,
        "hyperparameters": hyperparameters or {},
        "claimed_metrics": claimed_metrics or {},
        "note": note,
        "author_ids": author_ids,
        "data_version_ids": data_version_ids,
    }
    known_labels = set(model.versions.values_list("label", flat=True))
    fields = rules.checked_version(said, known_labels=known_labels)
    problems: dict[str, list[str]] = {}
    use = IntendedUse.objects.filter(pk=intended_use_id, model=model).first()
    if use is None:
        problems["intended_use"] = ["Choose an intended use of this model; write one first if there is none."]
    else:
        later = IntendedUse.objects.filter(model=model, number__gt=use.number).select_related(
            "model", "written_by"
        )
        newest = next((each for each in later.order_by("-number") if in_force(each)), None)
        if newest is not None:
            problems["intended_use"] = [
                f"{newest.ref} is now in force. Choose it: its tier is the one that counts."
            ]
    parent = visible(act.actor, Version).filter(pk=parent_id).first() if parent_id else None
    if parent_id and parent is None:
        problems["parent"] = ["Choose a version you may see, or leave it empty."]
    for name in ("artefact", "code_archive", "environment"):
        digest = fields[f"{name}_digest"]
        if digest and not blobs.exists(digest):
            problems[name] = ["The file did not arrive. Choose it again."]
    if "artefact" not in problems and blobs.path(fields["artefact_digest"]).stat().st_size != artefact_size:
        problems["artefact"] = ["The file did not arrive whole. Choose it again."]
    if problems:
        raise BadInput("The version was not registered.", fields=problems)
    data, authors = _data(act, data_version_ids), _authors(author_ids)
    version = act.create(
        Version,
        model=model,
        intended_use=use,
        artefact_size=artefact_size,
        parent=parent,
        registered_by=act.user,
        registered_at=now(),
        **fields,
    )
    for each in data:
        act.create(VersionData, version=version, dataset_version=each)
    act.separated(version)
    for person in authors:
        _declare(act, version, person)
    if act.user.pk not in {a.pk for a in authors}:
        _declare(act, version, act.user)
    act.about(version)
    act.event(artefact=artefact_digest, authors=sorted(p.username for p in authors))
    return version


@registries.precondition("registry.add_author")
def _author_can_be_declared(version: Version) -> None:
    rules.may_declare_author(version.state)


@registries.precondition("registry.freeze")
def _version_can_freeze(version: Version) -> None:
    """State, intended use signed, data fixed: what a page can tell before anybody presses the button."""
    rules.may_freeze(version.state)
    outcomes = (intended_use_signed(version), data_fixed(version))
    rules.refuse_unless_complete([outcome.why for outcome in outcomes if not outcome.state.closed])


@act("registry.add_author")
def add_author(act: Act, version_id: int, *, person_id: int) -> VersionAuthor:
    """Declare one more author. Signatures already given show as out of date: the record is no longer the same."""
    version = act.lock(Version.objects.select_related("model"), pk=version_id)
    act.allow(version)
    person = User.objects.filter(pk=person_id, is_service=False).first()
    if person is None:
        raise BadInput(
            "The author was not declared.", fields={"person": ["Choose a person with an account."]}
        )
    if VersionAuthor.objects.filter(version=version, person=person).exists():
        raise Conflict(f"{person.printed_name} is declared already.", rule="duplicate")
    act.event(author=person.username)
    return _declare(act, version, person)


@act("registry.freeze")
def freeze(act: Act, version_id: int) -> Version:
    """Fix the version: intended use signed, data fixed, bytes in place. A frozen version never changes."""
    rows = Version.objects.select_related(
        "model", "intended_use__model", "intended_use__written_by", "parent__model", "registered_by"
    )
    version = act.lock(rows, pk=version_id)
    act.allow(version)
    twin = (
        Version.objects.filter(model=version.model, artefact_digest=version.artefact_digest)
        .exclude(pk=version.pk)
        .exclude(state__in=rules.NO_TWIN)
        .first()
    )
    if twin is not None:
        raise Conflict(
            f"{version.ref} cannot be frozen: its model file is {twin.ref}.",
            fact=f"{twin.ref} holds the same bytes and is {twin.get_state_display().lower()}.",
            rule="one-digest-one-version",
            who=[f"use {twin.ref}, or register other bytes"],
        )
    stored = {
        "The model file": version.artefact_digest,
        "The code archive": version.code_archive_digest,
        "The environment lock": version.environment_digest,
    }
    rules.refuse_unless_complete(
        [
            f"{name} is missing from the store or no longer matches its digest."
            for name, digest in stored.items()
            if digest and not blobs.verify(digest)
        ]
    )
    act.write(
        version,
        state=TRANSITIONS[(State(version.state), "freeze")],
        frozen_at=now(),
        closure_digest=content_digest(version),
    )
    act.event(closure=version.closure_digest, artefact=version.artefact_digest)
    return version


@act("registry.download_artefact")
def download_artefact(act: Act, version_id: int) -> Download:
    """The model file, compared with its digest just now, for a stated reason."""
    version = act.lock(Version.objects.select_related("model"), pk=version_id)
    act.allow(version)
    found = download_of(version.artefact_name, version.artefact_digest)
    act.event(digest=found.digest)
    return found
