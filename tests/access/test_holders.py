"""Who holds a duty and yet cannot do its acts is told as such, and by the facts that the gate asks."""

from __future__ import annotations

import pytest

from apps.access import factors
from apps.access.actors import Actor
from apps.access.duties import Duty
from apps.access.gate import eligible
from apps.access.policy import TABLE
from apps.access.queries import coverage, on_parent
from apps.accounts.models import User
from apps.approvals.acts import open_gate
from tests.access.test_training import adopt, record
from tests.cast import give
from tests.factories.doors import browser, text_of
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db
UNKNOWN = "the identity behind the account is not confirmed"


def found(world, duty: Duty, parent=None):
    parent = parent or world.model
    rows = coverage(parent, on_parent(Actor.of(world.compliance), parent))
    return next(each for each in rows if each.duty == duty)


def unconfirmed(person: User) -> None:
    """As a reset of the second factor leaves an account."""
    User.objects.filter(pk=person.pk).update(identity_confirmed_at=None)


def test_holders_who_lack_nothing_are_told_by_name_alone(world):
    each = found(world, Duty.VALIDATOR)
    assert [a.person for a in each.able] == [world.validator] == [a.person for a, _ in each.told]
    assert (each.lacks, each.stopped, each.holders) == ({}, (), 1)


def test_without_a_confirmed_identity_what_signs_stands_still_and_nothing_else(world):
    unconfirmed(world.validator)
    each = found(world, Duty.VALIDATOR)
    assert (each.lacks[world.validator.pk].told, each.lacks[world.validator.pk].signing) == (UNKNOWN, True)
    only = {row.label for row in TABLE.values() if row.duties == {Duty.VALIDATOR} and row.signs and row.label}
    assert only
    assert set(each.stopped) == only
    give(world, "stranger", "validator", world.model)
    assert found(world, Duty.VALIDATOR).stopped == ()


def test_without_a_second_factor_nobody_signs(world, settings):
    settings.SECOND_FACTOR = "required"
    assert factors.lacks(world.validator)
    assert found(world, Duty.VALIDATOR).lacks[world.validator.pk].told == "the account has no second factor"


def test_without_training_nothing_is_done_at_all(world):
    adopt(world)
    each = found(world, Duty.CURATOR, world.dataset)
    lack = each.lacks[world.curator.pk]
    assert lack.told == "training “Computerised system and portal” is not recorded"
    assert not lack.signing
    assert eligible("datasets.upload_version", world.dataset) == []
    record(world)
    assert found(world, Duty.CURATOR, world.dataset).lacks == {}


@pytest.mark.evidence("reported")
def test_the_page_names_what_is_missing_and_which_signatures_nobody_can_give(world):
    version = validated_world(world).version
    open_gate(world.owner, version.pk)
    page = text_of(browser(world.compliance).get("/models/lotx/people/"))
    assert "Nobody can give now" not in page
    assert "cannot sign" not in page
    for person in (world.approver, world.approver2):
        unconfirmed(person)
    page = text_of(browser(world.compliance).get("/models/lotx/people/"))
    assert f"Nobody can give now: QA approval of {version.ref}." in " ".join(page.split())
    told = " ".join(page.split())
    assert f"cannot sign: {UNKNOWN}" in told, told[1000:4000]


@pytest.mark.evidence("frozen")
def test_who_is_eligible_can_use_their_account(world, settings):
    """A demo account outside a demo does nothing, whoever looks."""
    assert world.validator in eligible(
        "validations.write_plan", validated_world(world, until="frozen").version
    )
    User.objects.filter(pk=world.validator.pk).update(is_demo=True)
    settings.DEMO = False
    version = validated_world(world, until="frozen", label="1.0.1").version
    assert world.validator not in eligible("validations.write_plan", version)
