"""The security documentation says what the code enforces."""

from __future__ import annotations

import dataclasses
import io

from django.core.management import call_command

from apps.access import documenting, policy
from apps.access.separation import UNTOUCHABLE


def test_the_security_documentation_is_not_stale():
    said = documenting.TARGET.read_text(encoding="utf-8")
    assert said == documenting.authorisation(), "run: python3 manage.py authorisation_doc"


def test_every_act_rule_and_duty_is_in_it():
    said = documenting.authorisation()
    assert "It needs one of its duties" not in said, "own affairs, seats, CI jobs and services need none"
    assert "Who may do it, its row names." in said
    for act in policy.TABLE:
        assert f"`{act}`" in said
    for rule in [*(f"ST{n}" for n in range(1, 9)), *(f"DY{n}" for n in range(1, 22)), "EN4", "EN5", "EN6"]:
        assert f"| {rule} |" in said
    never = [line for line in said.splitlines() if line.startswith("|") and "| never |" in line]
    assert {line.split()[1] for line in never} == UNTOUCHABLE | {"EN4", "EN5", "EN6"}


def test_a_changed_permission_makes_it_stale(monkeypatch):
    row = policy.TABLE["approvals.suspend"]
    monkeypatch.setitem(policy.TABLE, row.act, dataclasses.replace(row, duties=frozenset({"owner"})))
    assert documenting.TARGET.read_text(encoding="utf-8") != documenting.authorisation()


def test_the_command_writes_it(monkeypatch, tmp_path):
    monkeypatch.setattr("apps.access.management.commands.authorisation_doc.TARGET", tmp_path / "a" / "b.md")
    call_command("authorisation_doc", stdout=io.StringIO())
    assert (tmp_path / "a" / "b.md").read_text(encoding="utf-8") == documenting.authorisation()
