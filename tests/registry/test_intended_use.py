"""Intended use and risk: written whole, tier computed, signed by two, never edited."""

from __future__ import annotations

import itertools

import pytest

from apps.access import gate
from apps.access.signing import SignatureInput, content_digest, standings
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.registry.acts import sign_intended_use_expert, sign_intended_use_owner, write_intended_use
from apps.registry.checks import intended_use_signed
from apps.registry.models import IntendedUse, Version
from apps.registry.rules import USE_TEXTS
from apps.registry.states import Level, tier
from apps.trail.models import Entry, Signature
from tests.cast import PASSWORD, give
from tests.factories.foundation import USE, sign, signed_use


def written(world, by: str = "process_expert", **changes) -> IntendedUse:
    return write_intended_use(world.people[by], world.model.pk, given=USE | changes, reason="First statement")


def test_writing_is_a_new_number_with_history_and_entry(world):
    first, second = written(world), written(world, question="Another question?")
    assert (first.ref, second.number, second.tier) == ("IU-lotx/v1", 2, "medium")
    assert first.history.count() == 1
    entry = Entry.objects.filter(kind="act").latest("id")
    assert (entry.act, entry.subject_id) == ("registry.write_intended_use", str(second.pk))
    assert IntendedUse.objects.get(pk=first.pk).question == USE["question"]


def test_a_reason_is_demanded(world):
    with pytest.raises(BadInput) as refused:
        write_intended_use(world.process_expert, world.model.pk, given=dict(USE))
    assert "reason" in refused.value.fields


def test_every_text_is_wanted_and_all_gaps_are_told_at_once(world):
    with pytest.raises(BadInput) as refused:
        write_intended_use(
            world.process_expert,
            world.model.pk,
            given={"raised_by_one": True, "influence": "huge", "gmp_critical": "no", "colour": "red"},
            reason="Try",
        )
    assert set(refused.value.fields) == set(USE_TEXTS) | {
        "influence",
        "consequence",
        "raised_rationale",
        "gmp_critical",
        "colour",
    }
    assert not IntendedUse.objects.exists()


@pytest.mark.parametrize(
    ("influence", "consequence", "raised", "gmp", "expected"),
    [
        ("low", "low", False, False, "low"),
        ("low", "low", False, True, "medium"),
        ("low", "low", True, True, "medium"),
        ("medium", "medium", False, False, "medium"),
        ("medium", "medium", True, False, "high"),
        ("high", "low", False, False, "medium"),
        ("high", "high", True, True, "high"),
    ],
)
def test_the_tier_follows_from_influence_and_consequence(influence, consequence, raised, gmp, expected):
    assert tier(influence, consequence, raised=raised, gmp_critical=gmp) == expected


def test_the_tier_never_falls_when_anything_gets_worse():
    order = list(Level)
    for i, c in itertools.product(range(3), range(3)):
        for raised, gmp in itertools.product((False, True), repeat=2):
            here = order.index(tier(order[i], order[c], raised=raised, gmp_critical=gmp))
            if i < 2:
                assert order.index(tier(order[i + 1], order[c], raised=raised, gmp_critical=gmp)) >= here
            if c < 2:
                assert order.index(tier(order[i], order[c + 1], raised=raised, gmp_critical=gmp)) >= here
            assert order.index(tier(order[i], order[c], raised=True, gmp_critical=gmp)) >= here


def test_who_may_write_it(world):
    with pytest.raises(NotVisible):
        written(world, "stranger")
    with pytest.raises(NotVisible):
        written(world, "other_developer")
    with pytest.raises(NotAllowed):
        written(world, "author")
    assert written(world, "owner").written_by == world.owner


def test_both_signatures_make_the_check_met(world):
    use = written(world)

    named = Version(model=world.model, intended_use=use)

    assert intended_use_signed(named).state == "waiting"
    sign_intended_use_expert(world.process_expert, use.pk, signature=sign(use))
    sign_intended_use_owner(world.owner, use.pk, signature=sign(use))
    assert intended_use_signed(named).state == "met"
    expert, owner = Signature.objects.order_by("id")
    assert (expert.meaning, owner.meaning) == ("responsibility", "approval")
    assert (owner.subject_ref, owner.record_version) == ("IU-lotx/v1", "v1")
    assert expert.content_digest == owner.content_digest == content_digest(use)


def test_an_owner_does_not_approve_what_the_owner_wrote(world):
    use = written(world, "owner")
    with pytest.raises(Conflict) as refused:
        sign_intended_use_owner(world.owner, use.pk, signature=sign(use))
    assert refused.value.rule.startswith("DY11")  # it states the risk as well
    assert not Signature.objects.exists()
    refusal = Entry.objects.filter(kind="refusal").latest("id")
    assert (refusal.act, refusal.subject_id) == ("registry.sign_intended_use_owner", str(use.pk))
    give(world, "stranger", "owner", world.model, by="compliance")
    assert sign_intended_use_owner(world.stranger, use.pk, signature=sign(use)) == use


def test_who_may_sign_it(world):
    use = written(world)
    with pytest.raises(NotAllowed):
        sign_intended_use_expert(world.owner, use.pk, signature=sign(use))
    with pytest.raises(NotAllowed):
        sign_intended_use_owner(world.approver, use.pk, signature=sign(use))
    with pytest.raises(NotVisible):
        sign_intended_use_owner(world.other_owner, use.pk, signature=sign(use))
    assert not Signature.objects.exists()


def test_what_was_not_shown_is_not_signed(world):
    use = written(world)
    shown = SignatureInput(digest="sha256:" + "0" * 64, password=PASSWORD)
    with pytest.raises(Conflict) as refused:
        sign_intended_use_expert(world.process_expert, use.pk, signature=shown)
    assert refused.value.rule == "21 CFR 11.70"
    assert not Signature.objects.exists()


def test_a_wrong_password_signs_nothing(world):
    use = written(world)
    with pytest.raises(NotAllowed):
        sign_intended_use_expert(
            world.process_expert,
            use.pk,
            signature=SignatureInput(digest=content_digest(use), password="wrong"),
        )
    assert not Signature.objects.exists()


def test_it_is_signed_once_by_each(world):
    use = signed_use(world)
    for act, person in ((sign_intended_use_expert, "process_expert"), (sign_intended_use_owner, "owner")):
        with pytest.raises(WrongState) as refused:
            act(world.people[person], use.pk, signature=sign(use))
        assert refused.value.rule == "once-only"
    assert Signature.objects.count() == 2


def test_only_the_newest_number_is_signed_and_the_button_says_so(world):
    old = written(world)
    written(world, question="Another question?")
    with pytest.raises(WrongState) as refused:
        sign_intended_use_expert(world.process_expert, old.pk, signature=sign(old))
    assert "newer" in refused.value.fact
    offered = {v.act: v for v in gate.offers(world.process_expert, old)}
    assert not offered["registry.sign_intended_use_expert"].allowed


def test_it_is_not_rejected_but_written_anew(world):
    use = written(world)
    given = SignatureInput(digest=content_digest(use), password=PASSWORD, decision="rejected")
    with pytest.raises(BadInput):
        sign_intended_use_owner(world.owner, use.pk, signature=given, reason="Too wide")
    assert not Signature.objects.exists()


def test_a_change_behind_the_acts_shows_the_signatures_as_out_of_date(world):
    use = signed_use(world)
    IntendedUse.objects.filter(pk=use.pk).update(limits="None at all.")
    changed = IntendedUse.objects.select_related("model", "written_by").get(pk=use.pk)
    assert [s.word for s in standings(changed)] == ["out of date", "out of date"]

    named = Version(model=world.model, intended_use=changed)
    assert intended_use_signed(named).state == "out_of_date"
