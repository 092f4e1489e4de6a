"""A change of the separation rules: proposed, replayed, signed by two who gain nothing; and what it does then."""

from __future__ import annotations

import json
from datetime import timedelta
from unittest.mock import patch

import pytest

from apps.access import acts
from apps.access.acting import ACTS
from apps.access.gate import may, visible
from apps.access.models import RulesChange, SeparationRules
from apps.access.policy import TABLE
from apps.access.replay import Comparison
from apps.access.rulebook import rules_in_force
from apps.access.rulesdiff import differences
from apps.access.rulesfile import MAX_BYTES, newest_shipped, read_rules, shipped
from apps.access.separation import UNTOUCHABLE, parse
from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from tests.access.people import crowd
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.approvals.boards import founded, seat
from tests.cast import give
from tests.factories.evidence import signed, validated_world

PROPOSE, WITHDRAW = "access.propose_rules", "access.withdraw_rules"
APPROVER, COMPLIANCE = "access.sign_rules_approver", "access.sign_rules_compliance"
NEXT = newest_shipped()["version"] + 1
VERBS = {verb for row in TABLE.values() for verb in row.verbs} | {
    rule[side] for rule in newest_shipped()["dynamic"] for side in ("first", "second")
}


def changed(*, without: tuple[str, ...] = (), version: int = NEXT, **more) -> dict:
    """The shipped rules as the next version, some left out; more: static= or dynamic= rules added."""
    data = newest_shipped() | {"version": version}
    for part in ("static", "dynamic"):
        data[part] = [r for r in data[part] if r["id"] not in without] + more.get(part, [])
    return data


STRICTER = {
    "id": "DY40",
    "first": "write_plan",
    "second": "run_test",
    "scope": "version",
    "waivable": True,
    "text": "who wrote a plan may not run it",
    "source": "our own rule",
}


def propose(world, data: dict | bytes | None, by="compliance2", run=True, **more) -> RulesChange:
    content = json.dumps(data).encode() if isinstance(data, dict) else data
    made = acts.propose_rules(world.people[by], content=content, reason="The board asked for it", **more)
    if run:
        run_queued()
    return RulesChange.objects.get(pk=made.pk)


def sign(world, change, act, by, **how) -> RulesChange:
    change = RulesChange.objects.get(pk=change.pk)
    return ACTS[act](world.people[by], change.pk, signature=signed(change, **how), reason="Read")


def in_force(world, data, **more) -> RulesChange:
    change = propose(world, data, **more)
    sign(world, change, APPROVER, "approver")
    return sign(world, change, COMPLIANCE, "compliance")


def cases(change) -> list[dict]:
    return json.loads(blobs.read(change.replay_digest, area="results"))["cases"]


# ---------------------------------------------------------------- the file, without a database


def read(data, version=NEXT):
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return read_rules(content, verbs=VERBS, in_force=parse(newest_shipped()), version=version)


def fault(data) -> str:
    with pytest.raises(BadInput) as caught:
        read(data)
    return " ".join(caught.value.fields["file"])


def test_a_good_file_is_read_as_the_next_version():
    data, rules = read(changed(without=("DY8",), dynamic=[STRICTER]))
    assert (data["version"], rules.version) == (NEXT, NEXT)
    found = {d.id: d.kind for d in differences(parse(newest_shipped()), rules) if d.kind != "same"}
    assert found == {"DY8": "removed", "DY40": "added"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "not in UTF-8 (byte 1)"),
        (b"[" * 50_000, "nested too deeply"),
        (b'{"version": 3, "version": 4}', "stands twice"),
        (b"[]", "one JSON object"),
        (b" " * (MAX_BYTES + 1), "larger than 256 KiB"),
        (b'{"version": 3}', "static: is missing"),
    ],
)
def test_files_that_are_no_rules(content, said):
    assert said in fault(content)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"id": "EN4"}, "EN4, EN5, EN6 stand in the code"),
        ({"scope": "everywhere"}, "scope must be one of"),
        ({"first": "delevop"}, "no verb that an act"),
        ({"first": ["x"]}, "no verb that an act"),
        ({"second": "*"}, "second may not be"),
        ({"waivable": "no"}, "true or false"),
        ({"tiers": ["huge"]}, "tiers must be"),
        ({"text": ""}, "text must be"),
        ({"text": "\ud800"}, "text must be"),
        ({"source": "x" * 301}, "source must be"),
        ({"exec": "1"}, "exec is not known"),
    ],
)
def test_rules_that_cannot_be_read_are_named(rule, said):
    told = fault(changed(dynamic=[STRICTER | rule]))
    assert said in told
    assert "dynamic rule" in told


def test_a_static_rule_on_an_unknown_duty_a_wrong_version_and_a_rule_twice():
    assert "list of duties" in fault(changed(static=[newest_shipped()["static"][2] | {"first": ["janitor"]}]))
    assert f"the next version here is {NEXT}" in fault(changed(version=NEXT + 5))
    assert "stands twice" in fault(changed(dynamic=[STRICTER, STRICTER]))


@pytest.mark.parametrize("rule", sorted(UNTOUCHABLE))
def test_untouchable_rules_are_neither_left_out_nor_hollowed_out(rule):
    assert rule in fault(changed(without=(rule,)))
    data = changed()
    for part in ("static", "dynamic"):
        for each in data[part]:
            if each["id"] == rule:
                each["waivable"] = True
    assert rule in fault(data)
    data = changed()
    for part in ("static", "dynamic"):
        for each in data[part]:
            if each["id"] == rule:
                each |= {"first": ["monitor"] if part == "static" else "monitor"}
    assert rule in fault(data), "the id alone does not keep the rule"


# ---------------------------------------------------------------- the acts


@pytest.mark.django_db
def test_proposed_replayed_signed_by_two_and_in_force(world):
    change = propose(world, changed(without=("DY8",)))
    assert_told("access.finish_rules_replay", by=last_worker(), about=change)
    assert (change.word, change.replayed, change.version) == ("Waits for signatures", True, NEXT)
    first = sign(world, change, APPROVER, "approver")
    assert first.made is None
    assert rules_in_force().version == NEXT - 1
    done = sign(world, change, COMPLIANCE, "compliance")
    assert_told(COMPLIANCE, by=world.compliance, about=change, reason="Read", wrote=2)
    assert_history(done, act=COMPLIANCE, by=world.compliance, reason="Read")
    assert (done.word, rules_in_force().version) == ("Took effect", NEXT)
    assert "DY8" not in rules_in_force().texts()
    assert SeparationRules.objects.get(version=NEXT).digest == done.digest


def last_worker():
    from apps.accounts.models import User

    return User.objects.get(username="worker")


@pytest.mark.django_db
def test_an_installation_on_the_first_rules_moves_to_those_that_came_with_the_portal(world):
    """As one that was installed under version 1: nothing here has signed rules beyond it."""
    old = parse(shipped(1))
    content = json.dumps(newest_shipped()).encode()
    data, new = read_rules(content, verbs=VERBS, in_force=old, version=newest_shipped()["version"])
    kinds = {d.kind for d in differences(old, new)}
    assert kinds == {"added", "changed", "same"} or kinds == {"added", "same"}
    assert data["version"] == newest_shipped()["version"]


@pytest.mark.django_db
def test_who_may_propose_and_the_rules_in_force_are_no_change(world):
    for name in ("owner", "approver", "author", "stranger"):
        with refused(NotAllowed, "duty", act=PROPOSE, by=world.people[name]):
            propose(world, changed(without=("DY8",)), by=name)
    with refused(BadInput, "rules-file", act=PROPOSE, by=world.registrar) as caught:
        propose(world, None, by="registrar")
    assert "nothing would change" in caught.value.fields["file"][0]
    with refused(BadInput, "rules-file", act=PROPOSE, by=world.administrator) as caught:
        propose(
            world,
            changed(without=("DY8",)),
            by="administrator",
            effective_from=now() - timedelta(days=1),
        )
    assert list(caught.value.fields) == ["effective_from"]
    with pytest.raises(BadInput, match="A reason is needed"):
        acts.propose_rules(world.compliance, content=None)


@pytest.mark.django_db
def test_one_change_at_a_time(world):
    change = propose(world, changed(without=("DY8",)))
    with refused(Conflict, "once-only", act=PROPOSE, by=world.registrar):
        propose(world, changed(without=("DY1",)), by="registrar")
    with refused(NotAllowed, "rules-change", act=WITHDRAW, by=world.registrar) as caught:
        acts.withdraw_rules(world.registrar, change.pk, reason="Not mine")
    assert caught.value.who == ("Compliance2 Person",)
    done = acts.withdraw_rules(world.compliance2, change.pk, reason="Too early")
    assert_told(WITHDRAW, by=world.compliance2, about=done, reason="Too early")
    assert done.word == "Withdrawn"
    with refused(WrongState, "rules-change-state", act=WITHDRAW, by=world.compliance2):
        acts.withdraw_rules(world.compliance2, change.pk, reason="Again")
    with refused(WrongState, "rules-change-state", act=APPROVER, by=world.approver):
        sign(world, change, APPROVER, "approver")
    again = propose(world, changed(without=("DY1",)), by="registrar")
    assert sign(world, again, COMPLIANCE, "compliance", decision="rejected").state == "rejected"
    assert rules_in_force().version == NEXT - 1
    propose(world, changed(without=("DY3",)), by="registrar")


@pytest.mark.django_db
def test_neither_the_proposer_nor_one_person_twice(world):
    change = propose(world, changed(without=("DY8",)), by="compliance")
    with refused(Conflict, "EN4", act=COMPLIANCE, by=world.compliance) as caught:
        sign(world, change, COMPLIANCE, "compliance")
    assert caught.value.who == ("Compliance2 Person",)
    give(world, "compliance2", "approver", world.model)
    sign(world, change, COMPLIANCE, "compliance2")
    with refused(Conflict, "EN4", act=APPROVER, by=world.compliance2):
        sign(world, change, APPROVER, "compliance2")
    with refused(NotAllowed, "duty", act=APPROVER, by=world.compliance):
        sign(world, change, APPROVER, "compliance")
    with refused(NotVisible, "visibility", act=APPROVER, by=world.owner):
        sign(world, change, APPROVER, "owner")


@pytest.mark.django_db
def test_what_is_not_replayed_is_not_signed_and_a_failed_replay_is_repeated(world):
    change = propose(world, changed(without=("DY8",)), run=False)
    with refused(WrongState, "rules-change-state", act=APPROVER, by=world.approver) as caught:
        sign(world, change, APPROVER, "approver")
    assert "replay" in caught.value.fact
    with patch("apps.access.work.replay", side_effect=OSError("disk")):
        run_queued()
    change.refresh_from_db()
    assert last("access.fail_rules_replay").subject_id == str(change.pk)
    assert "unexpected OSError" in change.replay_failure
    with refused(NotAllowed, "duty", act="access.replay_rules_again", by=world.approver):
        acts.replay_rules_again(world.approver, change.pk)
    acts.replay_rules_again(world.registrar, change.pk)
    run_queued()
    change.refresh_from_db()
    assert (change.replayed, change.replay_failure) == (True, "")
    with refused(WrongState, "rules-change-state", act="access.replay_rules_again", by=world.registrar):
        acts.replay_rules_again(world.registrar, change.pk)


@pytest.mark.django_db
def test_signed_now_and_in_force_later(world, monkeypatch):
    later = now() + timedelta(days=3)
    done = in_force(world, changed(without=("DY8",)), effective_from=later)
    assert done.word == "Signed, not in force yet"
    assert rules_in_force().version == NEXT - 1
    with refused(Conflict, "once-only", act=PROPOSE, by=world.registrar):
        propose(world, changed(without=("DY1",)), by="registrar")
    monkeypatch.setattr("apps.access.rulebook.now", lambda: later + timedelta(seconds=1))
    assert rules_in_force().version == NEXT


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["owner", "author", "stranger", "other_developer"])
def test_who_has_no_part_in_it_does_not_see_it(world, name):
    change = propose(world, changed(without=("DY8",)))
    assert not visible(world.people[name], RulesChange).exists()
    for other in ("approver", "approver2", "compliance", "administrator", "registrar", "inspector"):
        assert list(visible(world.people[other], RulesChange)) == [change]


# ---------------------------------------------------------------- what it would have changed


@pytest.mark.django_db
@pytest.mark.evidence("reported")
def test_the_replay_names_what_would_have_been_refused(world):
    validated_world(world)  # the validator wrote a plan and ran it
    change = propose(world, changed(dynamic=[STRICTER]))
    found = cases(change)
    assert {(c["sort"], c["person"], c["result"]) for c in found} == {("act", "validator", "refused")}
    assert all(c["after"].startswith("DY40: who wrote a plan") and not c["before"] for c in found)
    assert (change.newly_refused, change.newly_allowed) == (len(found), 0)
    facts = body_of(last("access.finish_rules_replay"))["facts"]
    assert (facts["newly_refused"], facts["result"]) == (len(found), change.replay_digest)


@pytest.mark.django_db
def test_the_replay_names_attempts_that_would_have_been_let_through(world):
    asked = acts.request_assignment(
        world.owner,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Needed",
    )
    with pytest.raises(Conflict, match="You cannot approve"):
        acts.approve_assignment(world.owner, asked.pk)
    with pytest.raises(Conflict, match="cannot be given"):
        acts.request_assignment(
            world.registrar,
            person_id=world.author.pk,
            duty="validator",
            scope_kind="registry.model",
            scope_id=world.model.pk,
            reason="Needed",
        )
    change = propose(world, changed(without=("DY17", "ST8")))
    found = cases(change)
    attempts = {(c["sort"], c["person"], c["before"][:4]) for c in found if c["sort"] in ("attempt", "duty")}
    assert ("attempt", "owner", "DY17") in attempts
    assert ("duty", "author", "ST8:") in attempts
    assert change.newly_refused == 0


@pytest.mark.django_db
def test_the_replay_names_rows_of_several_duties_that_were_refused_together(world):
    """Each row of the refused act counts: who clashed with what they held, and who with another row of it."""
    rows = [
        {"person_id": world.author.pk, "duty": "validator"},
        {"person_id": world.stranger.pk, "duty": "developer"},
        {"person_id": world.stranger.pk, "duty": "bias_tester"},
        {"person_id": world.monitor.pk, "duty": "process_expert"},
    ]
    with pytest.raises(Conflict, match="No duty was requested"):
        acts.request_assignments(world.owner, world.model.pk, rows=rows, reason="A new team")
    found = cases(propose(world, changed(without=("ST7", "ST8"))))
    told = {(c["person"], c["before"][:4], c["act"]) for c in found if c["sort"] == "duty"}
    assert told == {
        ("author", "ST8:", "validator (the request was refused)"),
        ("stranger", "ST7:", "developer (the request was refused)"),
        ("stranger", "ST7:", "bias tester (the request was refused)"),
    }


@pytest.mark.django_db
def test_the_replay_judges_seats_on_review_boards_as_it_judges_duties(world):
    """Asked for besides a duty, a duty besides a seat, and a seat whose request was refused at once."""
    crowd(world, ["kim"])
    board = founded(world, {})
    give(world, "stranger", "validator", world.model)
    seat(world, board, "stranger", "ethics")
    seat(world, board, "kim", "legal")
    give(world, "kim", "validator", world.model)
    with pytest.raises(Conflict, match="cannot be given a seat"):
        seat(world, board, "administrator", "security")
    apart = newest_shipped()["static"][2] | {
        "id": "ST40",
        "first": ["validator"],
        "second": ["process_expert"],
    }
    eased = newest_shipped()["static"][0] | {"id": "ST1"}
    eased["second"] = [each for each in eased["second"] if each != "process_expert"]
    new = parse(newest_shipped() | {"static": [eased, *newest_shipped()["static"][1:], apart]})
    comparison = Comparison(parse(newest_shipped()), new, now() - timedelta(days=365))

    def told(person: str) -> list[tuple[str, str, str, str]]:
        found = comparison.cases(world.people[person])
        return [(c.act, c.record, c.before[:3], c.after.partition("(")[2]) for c in found if c.sort == "duty"]

    assert told("stranger") == [
        ("seat on a review board (approved)", "a review board", "", "held validator)")
    ]
    assert told("kim") == [("validator (approved)", world.model.ref, "", "held seat on a review board)")]
    assert told("administrator") == [
        ("seat on a review board (the request was refused)", "a review board", "ST1", "")
    ]


@pytest.mark.django_db
def test_duties_that_the_new_rules_would_have_refused(world):
    give(world, "validator", "monitor", world.model)
    rule = newest_shipped()["static"][-1] | {"id": "ST40", "first": ["validator"], "second": ["monitor"]}
    found = cases(propose(world, changed(static=[rule])))
    assert [(c["sort"], c["person"], c["result"]) for c in found] == [("duty", "validator", "refused")]
    assert found[0]["record"] == world.model.ref


@pytest.mark.django_db
@pytest.mark.evidence("run")
def test_a_signer_who_gains_is_refused_and_told(world):
    """The approver tested the version before they became its approver: without DY8 they could approve it."""
    validated_world(world, until="run")
    acts.end_assignment(
        world.owner,
        world.validator.assignments.get(duty="validator", scope_kind="registry.model").pk,
        reason="Moves on",
    )
    give(world, "validator", "approver", world.model)
    change = propose(world, changed(without=("DY8",)))
    opened = [c for c in cases(change) if c["sort"] == "open"]
    assert {c["person"] for c in opened} == {"validator"}
    with refused(Conflict, "EN4", act=APPROVER, by=world.validator) as caught:
        sign(world, change, APPROVER, "validator")
    assert "It would newly allow you: Sign: QA approval" in caught.value.fact
    assert "DY8" in caught.value.fact
    assert sign(world, change, APPROVER, "validator", decision="rejected").state == "rejected"


@pytest.mark.django_db
def test_who_requested_duties_gains_by_the_end_of_dy17(world):
    acts.request_assignment(
        world.compliance,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Needed",
    )
    comparison = Comparison(
        parse(newest_shipped()), parse(changed(without=("DY17",))), now() - timedelta(days=365), looser=True
    )
    assert {case.sort for case in comparison.gains(world.compliance)} == {"open"}
    assert comparison.gains(world.approver) == []


@pytest.mark.django_db
@pytest.mark.evidence("locked")
def test_new_rules_judge_from_then_on(world):
    evidence = validated_world(world, until="locked")
    plan = evidence.plan
    assert may(world.validator, "validations.start_run", plan).allowed
    in_force(world, changed(dynamic=[STRICTER]))
    verdict = may(world.validator, "validations.start_run", plan)
    assert (verdict.status, verdict.rule[:4]) == (409, "DY40")
