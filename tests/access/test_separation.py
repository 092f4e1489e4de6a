"""Separation of duties without a database: each rule fires where it should, nowhere else, and none is missed."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.access import separation
from apps.access.duties import Duty
from apps.access.policy import TABLE
from apps.access.separation import (
    ANY,
    SCOPES,
    STATIC_SCOPES,
    UNTOUCHABLE,
    Deed,
    Relation,
    conflicts,
    conflicts_found,
    first_conflict,
    parse,
    past_conflict,
    static_conflict,
    static_conflicts,
)

FOLDER = Path(separation.__file__).parent / "separation_data"
DATA = json.loads((FOLDER / "v2.json").read_text(encoding="utf-8"))
FIRST = json.loads((FOLDER / "v1.json").read_text(encoding="utf-8"))

# Written from the requirement, not from the data: (deed, act) in either order -> rule and scope.
DYNAMIC = {
    frozenset({"develop", "validate"}): ("DY1", "version"),
    frozenset({"develop", "approve"}): ("DY2", "version"),
    frozenset({"develop", "bias_test"}): ("DY3", "version"),
    frozenset({"develop", "monitor"}): ("DY4", "version"),
    frozenset({"deploy", "monitor"}): ("DY4", "version"),
    frozenset({"develop", "dispose_drift"}): ("DY4", "version"),
    frozenset({"deploy", "dispose_drift"}): ("DY4", "version"),
    frozenset({"curate", "develop"}): ("DY5", "lineage"),
    frozenset({"read_test", "develop"}): ("DY6", "family"),
    frozenset({"curate", "verify_labels"}): ("DY7", "lineage"),
    frozenset({"label", "verify_labels"}): ("DY7", "lineage"),
    frozenset({"curate", "approve_datasheet"}): ("DY7", "lineage"),
    frozenset({"label", "approve_datasheet"}): ("DY7", "lineage"),
    frozenset({"validate", "approve"}): ("DY8", "version"),
    frozenset({"bias_test", "approve"}): ("DY8", "version"),
    frozenset({"develop", "set_criteria"}): ("DY9", "version"),
    frozenset({"write_plan", "approve_plan"}): ("DY10", "record"),
    frozenset({"run_test", "approve_plan"}): ("DY10", "record"),
    frozenset({"author_risk", "approve_risk"}): ("DY11", "record"),
    frozenset({"develop", "approve_risk"}): ("DY11", "family"),
    frozenset({"approve", "deploy"}): ("DY12", "version"),
    frozenset({"develop", "deploy"}): ("DY12", "version"),
    frozenset({"author", "review_record"}): ("DY13", "record"),
    frozenset({"raise_change", "approve_change"}): ("DY15", "record"),
    frozenset({"implement_change", "close_change"}): ("DY15", "record"),
    frozenset({"own_capa", "verify_effect"}): ("DY16", "record"),
    frozenset({"request_grant", "approve_grant"}): ("DY17", "record"),
    frozenset({"receive_grant", "approve_grant"}): ("DY17", "record"),
    frozenset({"receive_grant", "review_access"}): ("DY17", "record"),
    frozenset({"reset_credential", "enable_signing"}): ("DY18", "account"),
    frozenset({"request_disposal", "approve_disposal"}): ("DY19", "record"),
    frozenset({"request_disposal", "execute_disposal"}): ("DY19", "record"),
    frozenset({"approve_disposal", "execute_disposal"}): ("DY19", "record"),
    frozenset({"sign_slot"}): ("DY20", "siblings"),
    frozenset({"supply_value", "verify_value"}): ("DY21", "record"),
}
REVIEW = "review_trail"  # DY14: after any act on the record
VERBS = sorted(set().union(*DYNAMIC))
# Duty pairs that the family, and those that the same model, keeps apart.
FAMILY_PAIRS = {
    frozenset({"curator", "developer"}): "ST4",
    frozenset({"steward", "developer"}): "ST5",
    frozenset({"validator", "developer"}): "ST8",
}
MODEL_PAIRS = {
    frozenset({"monitor", "developer"}): "ST6",
    frozenset({"monitor", "deployer"}): "ST6",
    frozenset({"monitor", "owner"}): "ST6",
    frozenset({"bias_tester", "developer"}): "ST7",
}
# Verbs that no act yields today: their rules stand ready, and the acts come with their rooms.
NOT_YET = {
    "deploy", "monitor", "dispose_drift", "label", "verify_labels", "approve_datasheet", "raise_change",
    "approve_change", "implement_change", "close_change", "own_capa", "verify_effect",
    "request_disposal", "approve_disposal", "execute_disposal",
    "supply_value", "verify_value",
}  # fmt: skip
DECLARED = {"receive_grant"}  # the record itself says whose it is


def deed(person: str, verb: str, kind: str = "registry.version", pk: str = "1") -> Deed:
    return Deed(person, verb, kind, pk, f"{verb} {kind} {pk}")


def expected_static(one: str, two: str, near: Relation) -> str:
    """The id of the rule that forbids the two duties, or nothing."""
    pair = frozenset({one, two})
    if len(pair) == 1:
        return ""
    if "inspector" in pair:
        return "ST2"
    if "administrator" in pair:
        return "ST1"
    if pair == {"developer", "approver"}:
        return "ST3"
    if near >= Relation.FAMILY and pair in FAMILY_PAIRS:
        return FAMILY_PAIRS[pair]
    return MODEL_PAIRS.get(pair, "") if near == Relation.SAME else ""


def rule_met(rules, done: str, doing: str, where: str) -> str:
    """The id of the rule that refuses `doing` after `done` when only the scope `where` holds the deed's record."""
    mine = deed("p", done)
    broken = first_conflict(
        rules,
        person="p",
        verbs=frozenset({doing}),
        closures={where: frozenset({(mine.kind, mine.id)})},
        deeds=[mine],
    )
    return broken.rule.id if broken else ""


def differences(data: dict) -> list[str]:
    """Where rules made of `data` judge otherwise than the requirement: rule ids."""
    rules, found = parse(data), []
    for one, two in itertools.product(Duty, Duty):
        for near in Relation:
            broken = static_conflict(rules, one, [(two, near)])
            got, wanted = broken[0].id if broken else "", expected_static(one, two, near)
            if got != wanted:
                found.append(wanted or got)
    for pair, (rule, scope) in DYNAMIC.items():
        for done, doing in {(min(pair), max(pair)), (max(pair), min(pair))}:
            for where in SCOPES:
                got, wanted = rule_met(rules, done, doing, where), rule if where == scope else ""
                if got != wanted:
                    found.append(wanted or got)
    for where in SCOPES:
        if rule_met(rules, "sign_in", REVIEW, where) != ("DY14" if where == "record" else ""):
            found.append("DY14")
    return found


def test_the_rules_judge_as_required_over_the_whole_matrix():
    assert differences(DATA) == []


def test_pairs_that_no_rule_names_are_free():
    rules = parse(DATA)
    for done, doing in itertools.product(VERBS, VERBS):
        if frozenset({done, doing}) not in DYNAMIC:
            assert [rule_met(rules, done, doing, where) for where in SCOPES] == [""] * len(SCOPES)


def test_all_eight_static_and_twenty_one_dynamic_conflicts_are_there():
    assert {r["id"] for r in DATA["static"]} == {f"ST{n}" for n in range(1, 9)}
    assert {r["id"] for r in DATA["dynamic"]} == {f"DY{n}" for n in range(1, 22)}


def test_the_first_version_can_still_be_read():
    rules = parse(FIRST)
    assert rules.version == 1
    assert rule_met(rules, "develop", "validate", "version") == "DY1"
    assert rule_met(rules, "develop", "monitor", "version") == "", "v1 did not know DY4"


PLACES = [(part, index) for part in ("static", "dynamic") for index in range(len(DATA[part]))]


@pytest.mark.parametrize(("part", "index"), PLACES, ids=[f"{DATA[p][i]['id']}-{i}" for p, i in PLACES])
def test_no_rule_can_be_taken_away_unnoticed(part, index):
    changed = copy.deepcopy(DATA)
    gone = changed[part].pop(index)
    assert gone["id"] in differences(changed)


@pytest.mark.parametrize(("part", "index"), PLACES, ids=[f"{DATA[p][i]['id']}-{i}" for p, i in PLACES])
def test_no_scope_can_be_changed_unnoticed(part, index):
    scope = DATA[part][index]["scope"]
    for other in {"static": STATIC_SCOPES, "dynamic": SCOPES}[part]:
        if other != scope:
            changed = copy.deepcopy(DATA)
            changed[part][index]["scope"] = other
            assert differences(changed), other


def test_no_duty_can_be_taken_out_of_a_static_rule_unnoticed():
    for index, rule in enumerate(DATA["static"]):
        for side in ("first", "second"):
            for duty in rule[side]:
                changed = copy.deepcopy(DATA)
                changed["static"][index][side].remove(duty)
                assert rule["id"] in differences(changed), (rule["id"], duty)


def test_every_verb_of_a_rule_is_done_by_an_act_or_declared_or_named_as_still_to_come():
    by_acts = frozenset().union(*(row.verbs for row in TABLE.values()))
    wanted = {verb for rule in DATA["dynamic"] for verb in (rule["first"], rule["second"])} - {ANY}
    assert wanted - by_acts == NOT_YET | DECLARED


def test_a_rule_whose_acts_are_still_to_come_says_so():
    for rule in DATA["dynamic"]:
        waits = bool({rule["first"], rule["second"]} & NOT_YET)
        assert bool(rule.get("note")) == waits, rule


def test_rules_that_no_waiver_may_open():
    rules = parse(DATA)
    unwaivable = {r["id"] for part in ("static", "dynamic") for r in DATA[part] if not r["waivable"]}
    assert unwaivable == UNTOUCHABLE == {"ST1", "ST2", "DY2", "DY14", "DY20"}
    assert rules.waivable == set(rules.texts()) - UNTOUCHABLE - {"EN4", "EN5", "EN6"}


@pytest.mark.parametrize("rule", sorted(UNTOUCHABLE))
def test_data_that_call_an_untouchable_rule_waivable_change_nothing(rule):
    changed = copy.deepcopy(DATA)
    for each in (*changed["static"], *changed["dynamic"]):
        each["waivable"] = True
    assert rule not in parse(changed).waivable


def test_the_rules_about_the_rules_are_in_every_version():
    for data in (FIRST, DATA, {"version": 3, "static": [], "dynamic": []}):
        rules = parse(data)
        assert rule_met(rules, "propose_rules", "sign_rules", "record") == "EN4"
        assert rule_met(rules, "sign_rules", "sign_rules", "record") == "EN4"
        assert rule_met(rules, "benefit_waiver", "sign_waiver", "record") == "EN5"
        assert rule_met(rules, "request_waiver", "sign_waiver", "record") == "EN5"
        assert rule_met(rules, "sign_waiver", "sign_waiver", "record") == "EN5"


@pytest.mark.parametrize(("tier", "met"), [("low", ""), ("medium", "DY12"), ("high", "DY12"), ("", "DY12")])
def test_a_developer_may_deploy_at_the_low_tier_only(tier, met):
    mine = deed("p", "develop")
    broken = first_conflict(
        parse(DATA),
        person="p",
        verbs=frozenset({"deploy"}),
        closures={"version": frozenset({(mine.kind, mine.id)})},
        deeds=[mine],
        tier=lambda: tier,
    )
    assert (broken.rule.id if broken else "") == met
    found = conflicts_found(
        parse(DATA),
        {"version": frozenset({(mine.kind, mine.id)})},
        [mine, deed("p", "deploy")],
        tier=tier,
    )
    assert [rule.id for rule, *_ in found] == ([met] if met else [])


def test_the_tier_is_asked_only_where_a_rule_depends_on_it():
    mine = deed("p", "develop")

    def asked():
        raise AssertionError("nobody needs the tier here")

    here = {"version": frozenset({(mine.kind, mine.id)})}
    for verb in ("validate", "approve"):
        verbs = frozenset({verb})
        assert first_conflict(parse(DATA), person="p", verbs=verbs, closures=here, deeds=[mine], tier=asked)


@pytest.mark.parametrize(("tier", "refuses"), [("low", False), ("medium", True), ("high", True), ("", True)])
def test_bias_tester_and_developer_are_only_warned_of_at_the_low_tier(tier, refuses):
    rules, held = parse(DATA), [("developer", Relation.SAME)]
    assert (static_conflict(rules, "bias_tester", held, tier) is not None) == refuses
    warned = [rule.id for rule, _ in static_conflicts(rules, "bias_tester", held, tier, warn=True)]
    assert warned == ([] if refuses else ["ST7"])


def test_past_reads_of_test_data_shut_the_duty_of_developer():
    rules, read = parse(DATA), deed("p", "read_test", "datasets.version", "7")
    family = frozenset({("datasets.version", "7")})
    rule, found = past_conflict(rules, person="p", duty="developer", family=family, deeds=[read])
    assert (rule.id, found) == ("ST5", read)
    for person, duty, near in (
        ("q", "developer", family),
        ("p", "validator", family),
        ("p", "developer", frozenset()),
    ):
        assert past_conflict(rules, person=person, duty=duty, family=near, deeds=[read]) is None


def test_a_review_of_the_trail_meets_what_was_done_before_it_and_not_after():
    rules, here = parse(DATA), {"version": frozenset({("registry.version", "1")})}
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)

    def told(acted, reviewed):
        deeds = [replace(deed("p", "download"), at=acted), replace(deed("p", REVIEW), at=reviewed)]
        return [rule.id for rule, *_ in conflicts_found(rules, here, deeds)]

    assert told(early, late) == ["DY14"]
    assert told(late, early) == [], "what came after is not what was reviewed"
    assert rule_met(rules, REVIEW, "validate", "record") == ""


def test_every_rule_tells_its_text_and_source():
    for rule in [*DATA["static"], *DATA["dynamic"]]:
        assert rule["text"], rule
        assert rule["source"], rule


@pytest.mark.parametrize(("part", "scope"), [("dynamic", "model"), ("static", "version"), ("dynamic", "")])
def test_an_unknown_scope_is_an_error(part, scope):
    changed = copy.deepcopy(DATA)
    changed[part][0]["scope"] = scope
    with pytest.raises(ValueError, match="unknown scope"):
        parse(changed)


def test_a_closure_nobody_gave_opens_no_rule_but_does_not_hide_another():
    """DY2 is judged on the version; a slot without siblings still meets it."""
    broken = first_conflict(
        parse(DATA),
        person="p",
        verbs=frozenset({"approve", "sign_slot"}),
        closures={"version": frozenset({("registry.version", "1")})},
        deeds=[deed("p", "develop")],
    )
    assert broken.rule.id == "DY2"
    assert broken.deed.told == "develop registry.version 1"


def test_duties_held_are_no_part_of_the_question():
    """Giving up a duty clears nothing: dynamic rules are asked about deeds and never about duties."""
    assert set(inspect.signature(first_conflict).parameters) == {
        "rules",
        "person",
        "verbs",
        "closures",
        "deeds",
        "tier",
    }
    assert set(Deed.__dataclass_fields__) == {"person", "verb", "kind", "id", "told", "at"}


def test_a_static_rule_of_the_family_is_silent_in_another_family_and_a_global_one_is_not():
    rules = parse(DATA)
    elsewhere = [("developer", Relation.ELSEWHERE)]
    assert static_conflict(rules, "validator", elsewhere) is None
    assert static_conflict(rules, "approver", elsewhere)[0].id == "ST3"
    near = [*elsewhere, ("developer", Relation.FAMILY)]
    assert static_conflict(rules, "validator", near)[0].id == "ST8"


PAIRS = st.tuples(
    st.sampled_from(["registry.version", "validations.plan", "approvals.slot"]), st.sampled_from("123")
)
DEEDS = st.lists(
    st.builds(
        lambda person, verb, pair: deed(person, verb, *pair),
        st.sampled_from("pq"),
        st.sampled_from(VERBS),
        PAIRS,
    ),
    max_size=8,
)
CLOSURES = st.fixed_dictionaries({scope: st.frozensets(PAIRS, max_size=6) for scope in SCOPES})
ACTS = st.frozensets(st.sampled_from(VERBS), min_size=1, max_size=3)


def oracle(verbs, closures, deeds, person: str) -> set[str]:
    """Every rule id that is broken, told straight from the requirement."""
    return {
        DYNAMIC[frozenset({each.verb, doing})][0]
        for each in deeds
        for doing in verbs
        if each.person == person
        and frozenset({each.verb, doing}) in DYNAMIC
        and (each.kind, each.id) in closures[DYNAMIC[frozenset({each.verb, doing})][1]]
    }


@given(verbs=ACTS, closures=CLOSURES, deeds=DEEDS, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_the_deeds_does_not_matter(verbs, closures, deeds, shuffled):
    rules, mixed = parse(DATA), list(deeds)
    shuffled.shuffle(mixed)
    asked = {"person": "p", "verbs": verbs, "closures": closures}
    assert {b.rule.id for b in conflicts(rules, deeds=deeds, **asked)} == {
        b.rule.id for b in conflicts(rules, deeds=mixed, **asked)
    }
    as_told = [
        {(r.id, frozenset({a, b})) for r, a, b in conflicts_found(rules, closures, each)}
        for each in (deeds, mixed)
    ]
    assert as_told[0] == as_told[1]


@given(verbs=ACTS, closures=CLOSURES, deeds=DEEDS)
def test_a_conflict_is_found_exactly_when_there_is_one(verbs, closures, deeds):
    wanted = oracle(verbs, closures, deeds, "p")
    found = first_conflict(parse(DATA), person="p", verbs=verbs, closures=closures, deeds=deeds)
    if found is None:
        assert wanted == set()
    else:
        assert found.rule.id in wanted
        assert found.deed.person == "p"


@given(verbs=ACTS, closures=CLOSURES, deeds=DEEDS, more=DEEDS)
def test_no_further_deed_clears_a_conflict(verbs, closures, deeds, more):
    rules = parse(DATA)
    before = first_conflict(rules, person="p", verbs=verbs, closures=closures, deeds=deeds)
    after = first_conflict(rules, person="p", verbs=verbs, closures=closures, deeds=[*more, *deeds])
    assert before is None or after is not None


@given(verbs=ACTS, closures=CLOSURES, deeds=DEEDS)
def test_what_others_did_is_never_ones_own(verbs, closures, deeds):
    others = [d for d in deeds if d.person != "p"]
    assert first_conflict(parse(DATA), person="p", verbs=verbs, closures=closures, deeds=others) is None


@given(asked=DEEDS)
def test_what_was_allowed_one_by_one_is_in_order_when_counted_again(asked):
    """The gate's own refusals leave nothing for the recomputation of gate and pack to find."""
    rules, done = parse(DATA), []
    everything = frozenset((d.kind, d.id) for d in asked)
    whole = dict.fromkeys(SCOPES, everything)
    for each in asked:
        here = {
            **whole,
            "record": frozenset({(each.kind, each.id)}),
            "siblings": everything - {(each.kind, each.id)},
        }
        verbs = frozenset({each.verb})
        if first_conflict(rules, person=each.person, verbs=verbs, closures=here, deeds=done) is None:
            done.append(each)
    assert conflicts_found(rules, whole, done) == []


@pytest.mark.parametrize("pair", DYNAMIC, ids=lambda pair: "-".join(sorted(pair)))
def test_the_recomputation_finds_every_forced_conflict(pair):
    one, two = (sorted(pair) * 2)[:2]
    second = "2" if pair == {"sign_slot"} else "1"
    deeds = [deed("p", one), deed("p", two, pk=second), deed("q", one)]
    within = {scope: frozenset({("registry.version", "1"), ("registry.version", second)}) for scope in SCOPES}
    found = conflicts_found(parse(DATA), within, deeds)
    assert [rule.id for rule, *_ in found] == [DYNAMIC[pair][0]]
    assert {d.person for _, *both in found for d in both} == {"p"}


def test_the_recomputation_sees_who_ran_a_test_and_approved_its_plan():
    """DY10: the run is entered on its own record, and counts as one with its plan."""
    plan, run = ("validations.plan", "1"), ("validations.run", "7")
    within = {"version": frozenset({plan, run})}
    deeds = [deed("p", "run_test", *run), deed("p", "approve_plan", *plan)]
    assert conflicts_found(parse(DATA), within, deeds) == []
    found = conflicts_found(parse(DATA), within, deeds, as_one={run: plan})
    assert [rule.id for rule, *_ in found] == ["DY10"]
    assert conflicts_found(parse(DATA), within, deeds, as_one={run: ("validations.plan", "2")}) == []


def test_the_recomputation_keeps_to_the_record_and_to_siblings():
    rules = parse(DATA)
    within = {scope: frozenset({("validations.plan", "1"), ("validations.plan", "2")}) for scope in SCOPES}
    apart = [
        deed("p", "write_plan", "validations.plan", "1"),
        deed("p", "approve_plan", "validations.plan", "2"),
    ]
    assert conflicts_found(rules, within, apart) == []
    again = [deed("p", "sign_slot", "validations.plan", "1")] * 2
    assert conflicts_found(rules, within, again) == [], "signing one's own slot again is no second slot"
