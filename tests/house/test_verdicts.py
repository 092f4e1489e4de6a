"""The policy table and the separation rules are as reviewed, and a fault in any row of them is noticed.

When a row changes on purpose, the failure prints the lines as they are now: READ them, then paste them into the file
it names (`python tests/house/matrix_paste.py < failure.txt` does it for all of them).
"""

from __future__ import annotations

import json
import re

import pytest

from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.access.separation import parse
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.approvals.models import Slot
from apps.datasets.models import DatasetVersion
from tests.access.test_separation import FOLDER
from tests.house import verdicts
from tests.house.mutants import Judges, of_rows, of_rules
from tests.house.test_access_matrix import things  # noqa: F401  (the same records)
from tests.house.verdicts import Bench, newest

pytestmark = pytest.mark.evidence("matrix")

# Mutants that no line notices (a pattern of their names), each with the reason why that is right.
SURVIVORS = {
    r"does not count as read$": "no rule asks for reads of data that are not test data",
    r"^(DY2|DY14|DY20|ST1|ST2) .* may be waived, or no longer$": "UNTOUCHABLE says so in code",
    r"^(EN4|EN5) .* may be waived, or no longer$": "a rule of several pairs is closed as long as one pair is",
}
KILLED_AT_LEAST = 0.95


@pytest.fixture
def people(world, things):  # noqa: F811
    found = {name: user for name, user in world.people.items() if name != "other_owner"}
    return dict(sorted(found.items()))


@pytest.fixture
def bench(world, people):
    subjects = {}
    for kind in sorted({row.subject for row in TABLE.values()} - {"*"}):
        if (record := newest(kind)) is not None:
            subjects[kind] = record
    asked = Assignment.objects.filter(scope_kind=world.model.subject_kind, scope_id=world.model.pk)
    subjects["access.assignment"] = asked.filter(state="requested").latest("pk")
    subjects |= {
        "registry.model": world.model,
        "datasets.dataset": world.dataset,
        "accounts.user": world.stranger,
    }
    for name, partition in (("datasets.version", "train"), ("datasets.version (test)", "test")):
        subjects[name] = DatasetVersion.objects.filter(partition=partition).latest("pk")
    subjects["registry.version"] = Slot.objects.latest("pk").gate.version
    with shared():
        yield Bench(people, subjects)


def compare(name: str, found: verdicts.Table) -> None:
    told = verdicts.difference(verdicts.read(name), found)
    assert not told, f"{name}, as it is now:\n" + "\n".join(told)


def test_who_may_do_what_is_as_reviewed(bench):
    compare("verdicts.txt", bench.verdicts(TABLE))


@pytest.fixture
def rules():
    """The newest version of the rules that the portal brings along."""
    newest_file = max(FOLDER.glob("v*.json"), key=lambda path: int(path.stem[1:]))
    return parse(json.loads(newest_file.read_text(encoding="utf-8")))


@pytest.mark.evidence(None)
def test_what_acts_demand_is_as_reviewed():
    compare("demands.txt", verdicts.demands(User(username="somebody"), TABLE))


@pytest.mark.evidence(None)
def test_what_excludes_what_is_as_reviewed(rules):
    compare("conflicts.txt", verdicts.act_conflicts(rules))


@pytest.mark.evidence(None)
def test_the_rules_are_as_reviewed(rules):
    compare("rules.txt", verdicts.verb_conflicts(rules) | verdicts.duty_conflicts(rules))


@pytest.mark.evidence(None)
def test_a_fault_in_any_row_or_rule_is_noticed(rules):
    """All of them: some 770 in a few seconds. What lives is listed above with its reason, and nothing else."""
    judges = Judges(rules)
    mutants = [*of_rows(), *of_rules(rules)]
    lived = {mutant.name for mutant in mutants if not judges.killer(mutant)}
    unexplained = {name for name in lived if not any(re.search(told, name) for told in SURVIVORS)}
    assert unexplained == set()
    assert len(lived) <= (1 - KILLED_AT_LEAST) * len(mutants)
