"""The policy table, the acts and the trail's words agree; nothing changes state beside the acts."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from django.apps import apps

from apps.access.acting import ACTS
from apps.access.duties import Duty
from apps.access.policy import MEANINGS, TABLE, WHO
from apps.access.separation import ANY, ENGINE, parse
from apps.core import registries
from apps.trail import checks
from apps.trail.bookkeeping import BOOKKEEPING
from apps.trail.checks import histories_kept
from apps.trail.history import is_history
from tests.access.test_separation import DECLARED, NOT_YET

ROOT = Path(__file__).resolve().parents[2]


def ours():
    return [m for m in apps.get_models() if m.__module__.startswith("apps.") and not is_history(m)]


def test_every_act_of_the_table_has_a_function_and_every_function_a_row():
    assert set(TABLE) == set(ACTS)


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.act)
def test_every_row_is_whole(row):
    assert row.sentence, "the trail needs a sentence"
    assert row.subject, "an act acts on something"
    assert row.service or row.anyone or row.duties, "somebody must be able to do it"
    assert row.duties <= set(Duty)
    assert row.service == (not row.label), "a service's act has no button, a person's has one"
    if row.signs:
        assert row.meaning in MEANINGS
        assert not row.token, "no token signs"


def test_every_act_is_named_in_a_test():
    said = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "tests").rglob("*.py")
        if "house" not in path.parts
    )
    missing = [act for act in TABLE if act.split(".")[1] not in said]
    assert missing == []


def test_every_verb_of_a_separation_rule_is_counted_by_an_act_or_declared(rules):
    counted = {verb for row in TABLE.values() for verb in row.verbs} | DECLARED
    data = set(rules.dynamic) - set(ENGINE)
    wanted = {verb for rule in data for verb in (rule.first, rule.second)} - {ANY}
    assert wanted - counted == NOT_YET, (
        "a verb that an act yields now is struck from NOT_YET and from the rule's note"
    )


@pytest.fixture
def rules():
    import json

    return parse(json.loads((ROOT / "apps/access/separation_data/v2.json").read_text(encoding="utf-8")))


def test_every_table_keeps_history_or_is_bookkeeping_by_name(monkeypatch):
    assert histories_kept() == []
    assert {m._meta.label for m in ours() if not hasattr(m, "history")} == BOOKKEEPING, "a name too many"
    monkeypatch.setattr(checks, "BOOKKEEPING", BOOKKEEPING - {"trail.Leaf"})
    [fault] = histories_kept()
    assert (fault.id, fault.msg.split()[0]) == ("trail.E003", "trail.Leaf")


def test_every_subject_of_an_act_has_facts_and_visibility():
    kinds = {row.subject for row in TABLE.values()} - {"*", "organisation"}
    assert kinds <= set(registries.facts)
    by_kind = {m.subject_kind: m._meta.label for m in ours() if hasattr(m, "subject_kind")}
    for kind in kinds:
        assert registries.visibility[by_kind[kind]], kind


def test_every_signed_record_has_canonical_content():
    signed = {row.subject for row in TABLE.values() if row.signs}
    assert signed <= set(registries.content)


WRITES = {"create", "bulk_create", "bulk_update", "update_or_create", "get_or_create", "save", "delete"}
# What may be called in a door that only looks like a write of a record.
HARMLESS = {("sessions.py", "save"), ("auth.py", "update_or_create")}


@pytest.mark.parametrize("door", ["web", "api"])
def test_no_door_writes_through_the_orm(door):
    found = []
    for path in (ROOT / "apps" / door).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            name = node.func.attr
            source = ast.unparse(node.func.value)
            writes = name in WRITES and (".objects" in source or "_manager" in source or name == "save")
            if writes and (path.name, name) not in HARMLESS:
                found.append(f"{path.name}:{node.lineno} {ast.unparse(node.func)}")
    assert found == []


def test_no_queryset_update_or_bulk_write_on_a_model_with_history():
    """simple-history is blind to them; bookkeeping tables are named above."""
    pattern = re.compile(r"\.(bulk_create|bulk_update)\(|\.objects[^\n]*\.update\(")
    allowed = ("apps/core/jobs.py", "apps/trail/")
    found = []
    for path in (ROOT / "apps").rglob("*.py"):
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith(allowed) or "/migrations/" in relative:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{relative}:{number} {line.strip()}")
    assert found == []


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda r: r.act)
def test_an_act_open_to_anyone_says_for_whom_and_judges_it(row):
    """The document of authorisation is written from `by`; what it says is asked in the act or before it."""
    assert bool(row.by) == row.anyone
    assert set(row.by) <= set(WHO)
    if set(row.by) & {"owner", "officer"}:
        assert row.act in registries.allowance
    if row.seat:  # asked by the act: tests/approvals/test_boards.py, tests/approvals/test_board_signatures.py
        assert row.subject in registries.seat
    if set(row.by) & {"own", "holder"}:
        source = inspect.getsource(inspect.unwrap(ACTS[row.act]))
        assert re.search(r"\bact\.own\(|_own\(act|_own_live\(act|act\.allow\(act\.user\)", source), source


def test_every_act_that_takes_a_rejection_can_be_rejected_in_the_browser():
    from apps.web.views.signing import REJECTABLE

    takes = {
        name
        for name, function in ACTS.items()
        # some only say in a sentence of their own why they take none
        if re.search(
            r"decision == \"rejected\"(?!:\s+raise\b)|\"reject\"\]",
            inspect.getsource(inspect.unwrap(function)),
        )
    }
    assert "robustness.sign_plan_approval" in takes
    assert takes <= REJECTABLE
    assert set(TABLE) >= REJECTABLE
