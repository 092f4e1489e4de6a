"""Who changes a record after it was a draft says why by a code of the list, and sees old beside new first (PC12).

What kind of act a row of the policy table is follows from the row: it signs, looks, belongs to the portal, or its verb
says that it makes a record, decides on one or ends one. Every other act changes a record, and has `changes`, or stands
in EXEMPT with the reason why it needs no look beforehand.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from rest_framework import serializers

from apps.access.policy import TABLE, Policy
from apps.api.base import ChangeFields

ROOT = Path(__file__).resolve().parents[2]
# The first word of an act's name, by what such acts do.
MAKES = {
    # A record that was not there before: there is no old value to stand beside the new one.
    *(
        "register",
        "create",
        "open",
        "upload",
        "attach",
        "submit",
        "record",
        "ask",
        "plan",
        "issue",
        "propose",
    ),
    # Work that is queued; what it finds is a record of its own.
    *("start", "compare", "replay"),
    # A request: what comes of it is decided by somebody else, who sees it whole.
    "request",
}
DECIDES = {
    # A second person's yes or no to a request that lies before them and that they cannot alter.
    *("approve", "refuse", "grant", "confirm", "answer"),
}
ENDS = {
    # Stops something now, with a reason that is kept with who and when (`Act.end`). No field of its content changes,
    # and a second look must not stand between a harm and its end.
    *("end", "withdraw", "revoke", "suspend", "cancel", "deactivate"),
}
OWN = {
    # One's own session, credential and settings: no record of anybody's work.
    *("sign_in", "sign_out", "enrol", "set_password", "set_preferences", "rotate_token"),
    *("accept_signature_policy", "name_factor"),
}
EXEMPT = {
    "access.renew_enrolment": "a new link for an account that nobody has entered yet: still a draft",
    "access.unlock_account": "lifts a lock that the portal set; the account's own fields stay",
    "access.decide_review": "lines of a sheet that is a draft until it is signed",
    "access.request_assignment": "asks for a new duty; a duty in force is never altered, only ended",
    "access.place_hold": "a hold is a record of its own; nothing of the account is altered by it",
    "access.lift_hold": "ends a hold with a reason: what ends is shown, and nothing of it is altered",
    "approvals.record_minute": "the minute of a gate that nobody has signed yet",
    "explanation.write_review": "a review is a draft until its first signature, which then refuses it",
    "quality.extend_trail_review": "a review is a draft until it is signed",
    "quality.mark_trail_entries": "a review is a draft until it is signed",
    "registry.download_artefact": "hands out a copy; the version stays as it is",
    "registry.freeze": "ends the draft: nothing of a version is changed by it, and nothing after it",
    "robustness.write_plan": "takes the place of unlocked limits alone; locked ones refuse it",
    "validations.write_plan": "takes the place of unlocked plans alone; a locked one is replaced by an act of its own",
    "verification.link_requirement": "makes a link that was not there before",
}


def kind_of(row: Policy) -> str:
    name = row.act.split(".")[1]
    verb = name.split("_")[0]
    for kind, holds in (
        ("changes", row.changes),
        ("signs", row.signs),  # shows the record whole, with its digest, before it is signed
        ("looks", row.reads),
        ("portal", row.service),
        ("own", row.anyone and name in OWN),
        ("factor", row.shows),  # a change of how a person is known
        ("makes", verb in MAKES),
        ("decides", verb in DECIDES),
        ("ends", verb in ENDS),
    ):
        if holds:
            return kind
    return ""


def test_every_act_that_changes_a_record_asks_a_reason_of_the_list_and_shows_old_and_new():
    loose = sorted(name for name, row in TABLE.items() if not kind_of(row) and name not in EXEMPT)
    assert loose == [], "changes=True in the policy table, or an argued line in EXEMPT"


def test_every_exemption_is_needed_and_argued():
    assert all(len(why) > 20 for why in EXEMPT.values())
    assert sorted(name for name in EXEMPT if TABLE[name].changes or TABLE[name].signs) == []
    words = {name.split(".")[1].split("_")[0] for name in TABLE}
    assert sorted((MAKES | DECIDES | ENDS) - words) == []
    assert sorted(OWN - {name.split(".")[1] for name in TABLE}) == []


def test_what_changes_a_record_demands_a_reason_and_can_be_shown_beforehand():
    for row in (row for row in TABLE.values() if row.changes):
        assert row.reason, row.act
        assert not row.signs, f"{row.act}: what signs has no preview, the record itself is shown"
        assert not row.shows, f"{row.act}: what uses a factor up has no preview"


# --- the doors

CHANGES = sorted(name for name, row in TABLE.items() if row.changes)
FUNCTIONS = {name.split(".")[1] for name in CHANGES}
API = sorted((ROOT / "apps" / "api" / "v1").glob("*.py"))
VIEWS = sorted((ROOT / "apps" / "web").rglob("*.py"))


def shapes_of(act: str) -> Iterator[type[serializers.Serializer]]:
    """The serializers whose input the API gives to an act: `given(Shape, "app.act"` and its like."""
    # A viewset of services and trusts puts the application before the name itself.
    names = (re.escape(act), re.escape(act.split(".")[1]) + r'"\s*,\s*(?P<late>\w+)')
    for path in API:
        text = path.read_text(encoding="utf-8")
        module = import_module(f"apps.api.v1.{path.stem}")
        found = [m[1] for m in re.finditer(rf'(\w+),\s*"{names[0]}"', text)]
        found += [m["late"] for m in re.finditer(rf'_act\("{names[1]}', text)]
        for each in found:
            shape = getattr(module, each, None)
            if isinstance(shape, type) and issubclass(shape, serializers.Serializer):
                yield shape


@pytest.mark.parametrize("act", CHANGES)
def test_the_api_takes_the_reason_and_offers_the_preview(act):
    shapes = set(shapes_of(act))
    assert shapes, f"no endpoint of {act} was found"
    assert [each.__name__ for each in shapes if not issubclass(each, ChangeFields)] == []


def calls() -> Iterator[tuple[Path, str, str]]:
    """(file, `attempt` or `attempt_change`, act function) of every form's call in the browser's views."""
    for path in VIEWS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id in ("attempt", "attempt_change") and len(node.args) > 1:
                called = node.args[1]
                name = getattr(called, "attr", getattr(called, "id", ""))
                yield path, node.func.id, name


def test_no_form_sends_a_change_without_showing_it():
    found = list(calls())
    assert {name for _, how, name in found if how == "attempt_change"} & FUNCTIONS
    # access.end_link (of single sign-on) bears the name of verification.end_link, which `one_act` sends.
    wrong = [
        f"{path.name}: {name}"
        for path, how, name in found
        if how == "attempt" and name in FUNCTIONS and path.name != "sso.py"
    ]
    assert wrong == []
