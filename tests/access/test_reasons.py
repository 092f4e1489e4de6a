"""Why a record is changed: a code of the list and words; and what will change is shown before it is."""

from __future__ import annotations

import json

import pytest

from apps.access import reasons
from apps.access.actors import Actor
from apps.access.policy import TABLE
from apps.access.previewing import Preview
from apps.access.reasons import Reason
from apps.accounts.models import User
from apps.core.errors import BadInput, Conflict
from apps.datasets.models import Dataset
from apps.datasets.sensitive_acts import mark_sensitive
from apps.registry.acts import write_intended_use
from apps.registry.content import USE_FIELDS
from apps.registry.models import IntendedUse
from apps.trail.models import Entry

CHANGES = {
    "access.adopt_training_matrix",
    "access.request_correction",
    "approvals.amend_board",
    "datasets.mark_sensitive",
    "registry.add_author",
    "registry.write_intended_use",
    "validations.replace_plan",
}


def test_every_act_that_changes_a_record_asks_a_reason():
    named = {row.act for row in TABLE.values() if row.changes}
    assert named >= CHANGES
    assert all(TABLE[name].reason and not TABLE[name].signs for name in named)


def test_a_reason_reads_as_words_and_text():
    assert Reason("error", " the ward was wrong ") == "An error is put right: the ward was wrong"
    assert Reason("other", "the ward was wrong") == "the ward was wrong"
    assert Reason("error", "  ") == ""  # words without text are no reason
    assert reasons.facts(Reason("finding", "TR-1")) == {
        "code": "finding",
        "list": 1,
        "words": "A finding, deviation or inspection asks for it",
    }
    assert reasons.facts("plain words")["code"] == "other"
    with pytest.raises(BadInput) as refused:
        reasons.facts(Reason("whim", "because"))
    assert "Choose one of: error, knowledge" in refused.value.fields["reason_code"][0]


def entries():
    return list(Entry.objects.exclude(kind="row").order_by("id").values_list("id", flat=True))


def test_what_will_change_is_shown_and_nothing_is_done(world):
    steward = Actor.of(world.steward)
    data = Dataset.objects.get(pk=world.dataset.pk)
    before = (entries(), Dataset.history.count(), data.sensitive)
    why = Reason("requirement", "names turned up in a column")
    shown = mark_sensitive(steward, data.pk, reason=why, preview=True)
    assert isinstance(shown, Preview)
    assert {(each.field, each.before, each.after) for each in shown.changes} >= {("sensitive", "no", "yes")}
    data.refresh_from_db()
    assert (entries(), Dataset.history.count(), data.sensitive) == before

    mark_sensitive(steward, data.pk, reason=why, confirmed=shown.digest, idempotency_key="mark")
    data.refresh_from_db()
    assert data.sensitive
    entry = Entry.objects.filter(act="datasets.mark_sensitive", kind="act").latest("id")
    body = json.loads(entry.body)
    assert body["reason"] == "A requirement, rule or procedure changed: names turned up in a column"
    assert body["facts"]["reason_code"]["code"] == "requirement"
    newest = Dataset.history.filter(id=data.pk).latest("history_id")
    assert newest.history_change_reason == body["reason"]


def use_given(**other):
    given = {name: "text" for name in USE_FIELDS if name != "tier"}
    given |= {"gmp_critical": True, "affects_people": True, "raised_by_one": False}
    return given | {"influence": "high", "consequence": "low"} | other


def test_a_new_number_is_shown_beside_the_one_before(world):
    owner = Actor.of(next(User.objects.get(pk=p.pk) for p in (world.owner,)))
    first = write_intended_use(owner, world.model.pk, given=use_given(), reason="first")
    shown = write_intended_use(
        owner, world.model.pk, given=use_given(purpose="other"), reason="x", preview=True
    )
    told = {each.field: (each.before, each.after) for each in shown.changes}
    assert told["purpose"] == ("text", "other")
    assert told["number"] == (first.number, first.number + 1)
    assert "question" not in told
    assert IntendedUse.objects.filter(model=world.model).latest("number") == first


def test_what_is_confirmed_is_what_was_shown(world):
    owner = Actor.of(world.owner)
    write_intended_use(owner, world.model.pk, given=use_given(), reason="first")
    shown = write_intended_use(owner, world.model.pk, given=use_given(purpose="a"), reason="x", preview=True)
    with pytest.raises(Conflict) as refused:
        write_intended_use(
            owner, world.model.pk, given=use_given(purpose="b"), reason="x", confirmed=shown.digest
        )
    assert refused.value.rule == "preview"
    assert not IntendedUse.objects.filter(purpose="b").exists()
    made = write_intended_use(
        owner, world.model.pk, given=use_given(purpose="a"), reason="x", confirmed=shown.digest
    )
    assert made.purpose == "a"


def test_who_may_not_change_it_is_shown_nothing(world):
    from apps.core.errors import Refused

    with pytest.raises(Refused):
        write_intended_use(
            Actor.of(world.stranger), world.model.pk, given=use_given(), reason="x", preview=True
        )
