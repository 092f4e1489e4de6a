"""The tier of a model comes from what process expert and owner signed; until then it counts as the strictest."""

from __future__ import annotations

import pytest

from apps.access import acts
from apps.access.rulebook import tier_of
from apps.core.errors import Conflict
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from tests.factories.evidence import signed
from tests.factories.foundation import USE, signed_use

pytestmark = pytest.mark.django_db

LOW = {"influence": "low", "consequence": "low", "gmp_critical": False, "raised_by_one": False}
HIGH = {"influence": "high", "consequence": "high"}


def tier(world) -> str:
    return tier_of(world.model.subject_kind, world.model.pk)


def asked(world):
    """A developer as bias tester: ST7."""
    return acts.request_assignment(
        world.registrar,
        person_id=world.author.pk,
        duty="bias_tester",
        scope_kind=world.model.subject_kind,
        scope_id=world.model.pk,
        reason="Few people",
    )


def written(world, given):
    return write_intended_use(world.process_expert, world.model.pk, given=USE | given, reason="Less risk")


def test_what_nobody_signed_eases_no_rule(world):
    use = written(world, LOW)
    assert (use.tier, tier(world)) == ("low", "")
    with pytest.raises(Conflict) as refused:
        asked(world)
    assert refused.value.rule.startswith("ST7")
    sign_intended_use_expert(world.process_expert, use.pk, signature=signed(use))
    assert tier(world) == ""  # the owner has not signed


def test_the_newest_signed_one_counts(world):
    signed_use(world, **LOW)
    assert tier(world) == "low"
    assert asked(world).state == "requested"  # at the low tier ST7 only warns
    signed_use(world, **HIGH)
    assert tier(world) == "high"
    written(world, LOW)
    assert tier(world) == "high"
