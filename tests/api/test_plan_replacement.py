"""A locked plan is replaced through the API after a dry run showed old and new, with a reason of the list."""

from __future__ import annotations

import json

import pytest

from apps.trail.models import Entry
from apps.validations.models import Plan
from tests.factories.doors import session_api
from tests.factories.evidence import plan_input, validated_world


@pytest.mark.evidence("locked")
def test_a_locked_plan_is_replaced_as_a_dry_run_showed_it(world):
    evidence = validated_world(world, until="locked")
    validator, address = session_api(world.validator), f"/api/v1/plans/{evidence.plan.number}/replace"
    given = plan_input(evidence.test, threshold="0.4")
    given |= {"reason": "The ward changed its device", "reason_code": "use"}
    unreasoned = validator.post(address, {k: v for k, v in given.items() if k != "reason"}, format="json")
    assert (unreasoned.status_code, list(unreasoned.json()["fields"])) == (422, ["reason"])
    shown = validator.post(address, given | {"dry_run": True}, format="json")
    assert shown.status_code == 200, shown.content
    told = {
        (each["record"], each["field"]): (each["before"], each["after"]) for each in shown.json()["changes"]
    }
    assert told["plan", "threshold"] == ("0.5", "0.4")
    assert told["plan", "state"] == ("Locked", "Draft")
    assert ("plan", "rationale") not in told
    assert Plan.objects.count() == 1
    digest = shown.json()["digest"]
    other = validator.post(address, given | {"threshold": "0.6", "confirmed": digest}, format="json")
    assert (other.status_code, other.json()["rule"]) == (409, "preview")
    for person, status in (("author", 403), ("stranger", 404)):
        answer = session_api(world.people[person]).post(address, given | {"dry_run": True}, format="json")
        assert answer.status_code == status, person
    made = validator.post(address, given | {"confirmed": digest}, format="json")
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    again = validator.post(address, given, format="json")
    assert again.status_code == 409
    entry = json.loads(Entry.objects.filter(act="validations.replace_plan", kind="act").latest("id").body)
    assert entry["reason"] == "The use or its circumstances changed: The ward changed its device"
    assert entry["facts"]["reason_code"]["code"] == "use"
