"""The people every test speaks of, and the world they work in, built through acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from apps.access.acts import (
    approve_assignment,
    approve_organisation_assignment,
    confirm_identity,
    create_account,
    install_organisation,
    request_assignment,
    request_organisation_assignment,
    set_password,
)
from apps.access.acts.install import installer
from apps.access.duties import DATASET, MODEL
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.datasets.acts import register_dataset
from apps.datasets.models import Dataset
from apps.registry.acts import register_model
from apps.registry.models import Model

PASSWORD = "correct horse battery staple"

# name -> duty on the model (and where a person stands twice, on which object)
MODEL_CAST = {
    "author": "developer",
    "colleague": "developer",
    "validator": "validator",
    "bias_tester": "bias_tester",
    "approver": "approver",
    "approver2": "approver",
    "process_expert": "process_expert",
    "owner": "owner",
    "deployer": "deployer",
    "monitor": "monitor",
    "security": "security",
}
DATASET_CAST = {"curator": "curator", "steward": "steward"}
# These work with the dataset as well as on the model.
DATASET_USERS = ("author", "colleague", "validator")
ORGANISATION_CAST = {"inspector": "inspector", "registrar": "registrar", "compliance2": "compliance"}
STRANGERS = ("stranger",)
EVERYBODY = ("administrator", "compliance", *ORGANISATION_CAST, *MODEL_CAST, *DATASET_CAST, *STRANGERS)


@dataclass
class World:
    """People by name, one model with its dataset, and a second model and dataset nobody here may see."""

    people: dict[str, User] = field(default_factory=dict)
    model: Model = None
    other_model: Model = None
    dataset: Dataset = None
    other_dataset: Dataset = None

    def __getattr__(self, name: str) -> User:
        try:
            return self.__dict__["people"][name]
        except KeyError:
            raise AttributeError(name) from None


def give(
    world: World, person: str, duty: str, parent, *, by: str = "owner", requester: str = "registrar"
) -> Assignment:
    """A duty requested by one person and approved by another, as it must be."""
    asked = request_assignment(
        world.people[requester],
        person_id=world.people[person].pk,
        duty=duty,
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        reason="Needed for the work",
    )
    return approve_assignment(world.people[by], asked.pk)


def approve_owner(world: World, parent) -> None:
    asked = Assignment.objects.get(
        scope_kind=parent.subject_kind, scope_id=parent.pk, duty="owner", state="requested"
    )
    approve_assignment(world.compliance, asked.pk)


def build_world() -> World:
    world = World()
    administrator, compliance = install_organisation(
        installer(),
        administrator={
            "username": "administrator",
            "printed_name": "Ada Administrator",
            "password": PASSWORD,
        },
        compliance={"username": "compliance", "printed_name": "Cora Compliance", "password": PASSWORD},
    )
    world.people |= {"administrator": administrator, "compliance": compliance}
    for name in (
        *ORGANISATION_CAST,
        *MODEL_CAST,
        *DATASET_CAST,
        *STRANGERS,
        "other_owner",
        "other_developer",
    ):
        made = create_account(
            administrator,
            username=name,
            printed_name=f"{name.replace('_', ' ').title()} Person",
            email=f"{name}@example.org",
        )
        world.people[name] = set_password(made, made.pk, password=PASSWORD)
    for name, person in world.people.items():
        if name not in ("administrator", "compliance"):
            world.people[name] = confirm_identity(compliance, person.pk, how="known")
    for name, duty in ORGANISATION_CAST.items():
        asked = request_organisation_assignment(
            administrator,
            person_id=world.people[name].pk,
            duty=duty,
            ends_at=now() + timedelta(days=60) if duty == "inspector" else None,
            reason="Needed for the work",
        )
        approve_organisation_assignment(compliance, asked.pk)
    world.model = register_model(
        world.registrar, slug="lotx", name="Lot release classifier", owner_id=world.owner.pk
    )
    world.other_model = register_model(
        world.registrar, slug="visc", name="Viscosity", owner_id=world.other_owner.pk
    )
    world.dataset = register_dataset(
        world.registrar, slug="trial", name="Trial data", owner_id=world.owner.pk
    )
    world.other_dataset = register_dataset(
        world.registrar, slug="plant", name="Plant data", owner_id=world.other_owner.pk
    )
    for parent in (world.model, world.other_model, world.dataset, world.other_dataset):
        approve_owner(world, parent)
    for name, duty in MODEL_CAST.items():
        if duty != "owner":
            give(world, name, duty, world.model)
    for name, duty in DATASET_CAST.items():
        give(world, name, duty, world.dataset)
    for name in DATASET_USERS:
        give(world, name, MODEL_CAST[name], world.dataset)
    give(world, "other_developer", "developer", world.other_model, by="other_owner")
    run_queued()  # the mails of the new accounts: none is needed any more
    return world


def load_world() -> World:
    """The world as it stands in the database."""
    world = World(people={user.username: user for user in User.objects.filter(is_service=False)})
    world.model, world.other_model = Model.objects.get(slug="lotx"), Model.objects.get(slug="visc")
    world.dataset, world.other_dataset = Dataset.objects.get(slug="trial"), Dataset.objects.get(slug="plant")
    return world


__all__ = [
    "DATASET",
    "EVERYBODY",
    "MODEL",
    "PASSWORD",
    "World",
    "approve_owner",
    "build_world",
    "give",
    "load_world",
]
