"""What the documents say exists: links, files, tables, acts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.access.acting import Act
from apps.trail.bookkeeping import BOOKKEEPING

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DEVELOPING = (ROOT / "docs/developing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_within_the_project_leads_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text)
    broken = [
        target
        for target in targets
        if not re.match(r"[a-z]+:|#", target) and not (document.parent / target.partition("#")[0]).exists()
    ]
    assert broken == []


def test_bookkeeping_tables_are_named_for_developers():
    section = DEVELOPING.partition("## Bookkeeping tables")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z]+\.[A-Z]\w+)`", section)) == BOOKKEEPING


def test_what_an_act_can_do_is_what_developers_are_told():
    told = set(re.findall(r"`?act\.([a-z_]+)", DEVELOPING))
    assert told <= {name for name in dir(Act) if not name.startswith("_")} | {"subject", "reason"}
    assert {"lock", "allow", "write", "create", "sign", "event", "after_commit"} <= told


def test_every_room_is_described():
    rooms = {path.parent.name for path in (ROOT / "apps").glob("*/__init__.py")}
    described = set(re.findall(r"`apps/([a-z]+)`", DEVELOPING.partition("## Rooms")[2].partition("\n## ")[0]))
    assert described == rooms


def test_decisions_are_numbered_without_gaps():
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
