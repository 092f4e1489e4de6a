"""No door judges a form before the gate: whoever may not do an act is told so, however bad what they sent is.

The gate is made to refuse everything, and every address that takes a form is sent an empty one by a person whom the
access matrix lets in there. An answer about the form (400, 422) comes only from what `EXEMPT` names.
"""

from __future__ import annotations

import logging

import pytest

from apps.access.judging import Judge
from apps.access.verdict import Verdict
from apps.core.errors import NotAllowed
from tests.house.matrix_door import Door, little_collecting
from tests.house.test_access_matrix import TABLES, headers_of, things  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.evidence("matrix"), pytest.mark.django_db, pytest.mark.long]

OWN = "one's own account: nobody is refused there"
BODY = "the form says on which record; there is nothing to ask the gate about until it does"
EXEMPT = {
    "web:sign_in": "nobody is signed in yet",
    "api:ci_token": "nobody is signed in yet",
    "api:model_people_simulate": "who sees everything may try out duties; it changes nothing",
    **dict.fromkeys(
        (
            "web:change_password",
            "web:create_token",
            "web:set_zone",
            "web:add_app",
            "web:add_passkey",
            "web:recovery_codes",
            "web:name_factor",
            "web:end_factor",
            "web:confirm_link",
            "web:signature_policy",
            "api:training-accept-policy",
        ),
        OWN,
    ),
    **dict.fromkeys(
        (
            "api:ask-list",
            "api:assignment-approve-many",
            "api:assignment-list",
            "api:meeting-list",
            "api:packs-list",
            "api:read-grant-list",
            "api:sign_together",
            "api:waiver-list",
            "web:approve_assignments",
            "web:sign_together",
        ),
        BODY,
    ),
}


def refuse_everything(judge: Judge, actor, row) -> Verdict:
    refused = NotAllowed("", fact="The gate refuses everything here.", rule="duty", who=["nobody"])
    return Verdict.no(row, refused, row.cannot(judge.subject.ref))


def test_whoever_the_gate_refuses_is_not_told_of_the_form_first(world, things, monkeypatch):  # noqa: F811
    people = next(table for table in TABLES if table.file == "access_matrix.txt")
    rows, asking, door = people.rows(), headers_of(world, things), Door(shared=True)
    monkeypatch.setattr(Judge, "verdict", refuse_everything)
    told, asked = [], set()
    logging.disable(logging.WARNING)
    try:
        with little_collecting():
            for name, thing, address in things.addresses():
                said = dict(zip(people.who, rows[name, "POST", thing], strict=True))
                let = [who for who, status in said.items() if status not in (401, 403, 404, 405)]
                for who in let[:2]:
                    asked.add(name)
                    status = door.status(asking[who], "POST", address)
                    if status in (400, 422) and name not in EXEMPT:
                        told.append(f"{name} {thing}: {status} to {who}")
    finally:
        logging.disable(logging.NOTSET)
    assert len(asked) > 150
    assert not told, "\n".join(told)
    assert set(EXEMPT) <= asked, sorted(set(EXEMPT) - asked)
