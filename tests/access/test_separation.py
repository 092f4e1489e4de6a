"""Separation of duties without a database: each rule fires where it should, nowhere else, and none is missed."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.access import separation
from apps.access.duties import Duty
from apps.access.policy import TABLE
from apps.access.separation import SCOPES, Deed, conflicts_found, first_conflict, parse, static_conflict

DATA = json.loads(
    (Path(separation.__file__).parent / "separation_data" / "v1.json").read_text(encoding="utf-8")
)

# Written from the requirement, not from the data: (deed, act) in either order -> rule and scope.
DYNAMIC = {
    frozenset({"develop", "validate"}): ("DY1", "version"),
    frozenset({"develop", "approve"}): ("DY2", "version"),
    frozenset({"develop", "bias_test"}): ("DY3", "version"),
    frozenset({"curate", "develop"}): ("DY5", "lineage"),
    frozenset({"read_test", "develop"}): ("DY6", "family"),
    frozenset({"validate", "approve"}): ("DY8", "version"),
    frozenset({"bias_test", "approve"}): ("DY8", "version"),
    frozenset({"write_plan", "approve_plan"}): ("DY10", "record"),
    frozenset({"run_test", "approve_plan"}): ("DY10", "record"),
    frozenset({"author", "review_record"}): ("DY13", "record"),
    frozenset({"request_grant", "approve_grant"}): ("DY17", "record"),
    frozenset({"receive_grant", "approve_grant"}): ("DY17", "record"),
    frozenset({"sign_slot"}): ("DY20", "siblings"),
}
VERBS = sorted(set().union(*DYNAMIC))
FAMILY_PAIRS = {
    frozenset({"curator", "developer"}): "ST4",
    frozenset({"steward", "developer"}): "ST5",
    frozenset({"validator", "developer"}): "ST8",
}


def deed(person: str, verb: str, kind: str = "registry.version", pk: str = "1") -> Deed:
    return Deed(person, verb, kind, pk, f"{verb} {kind} {pk}")


def expected_static(one: str, two: str, same_family: bool) -> str:
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
    return FAMILY_PAIRS.get(pair, "") if same_family else ""


def differences(data: dict) -> list[str]:
    """Where rules made of `data` judge otherwise than the requirement: rule ids, over the whole matrix."""
    rules, found = parse(data), []
    for one, two in itertools.product(Duty, Duty):
        for same_family in (True, False):
            broken = static_conflict(rules, one, [(two, same_family)])
            got, wanted = broken[0].id if broken else "", expected_static(one, two, same_family)
            if got != wanted:
                found.append(wanted or got)
    for done, doing in itertools.product(VERBS, VERBS):
        rule, scope = DYNAMIC.get(frozenset({done, doing}), ("", ""))
        for where in SCOPES:
            mine = deed("p", done)
            broken = first_conflict(
                rules,
                person="p",
                verbs=frozenset({doing}),
                closures={where: frozenset({(mine.kind, mine.id)})},
                deeds=[mine],
            )
            got, wanted = broken.rule.id if broken else "", rule if where == scope else ""
            if got != wanted:
                found.append(wanted or got)
    return found


def test_the_rules_judge_as_required_over_the_whole_matrix():
    assert differences(DATA) == []


PLACES = [(part, index) for part in ("static", "dynamic") for index in range(len(DATA[part]))]


@pytest.mark.parametrize(("part", "index"), PLACES, ids=[f"{DATA[p][i]['id']}-{i}" for p, i in PLACES])
def test_no_rule_can_be_taken_away_unnoticed(part, index):
    changed = copy.deepcopy(DATA)
    gone = changed[part].pop(index)
    assert gone["id"] in differences(changed)


@pytest.mark.parametrize(("part", "index"), PLACES, ids=[f"{DATA[p][i]['id']}-{i}" for p, i in PLACES])
def test_no_scope_can_be_changed_unnoticed(part, index):
    scope = DATA[part][index]["scope"]
    for other in {"static": ("global", "family"), "dynamic": SCOPES}[part]:
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


def test_every_verb_of_a_rule_is_done_by_an_act_or_declared():
    by_acts = frozenset().union(*(row.verbs for row in TABLE.values()))
    assert set(VERBS) - by_acts == {"receive_grant"}, "receiving a duty is declared by the assignment"


def test_rules_that_no_waiver_may_open():
    unwaivable = {r["id"] for part in ("static", "dynamic") for r in DATA[part] if not r["waivable"]}
    assert unwaivable == {"ST1", "ST2", "DY2", "DY20"}


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
    }
    assert set(Deed.__dataclass_fields__) == {"person", "verb", "kind", "id", "told"}


def test_a_static_rule_of_the_family_is_silent_in_another_family_and_a_global_one_is_not():
    rules = parse(DATA)
    elsewhere = [("developer", False)]
    assert static_conflict(rules, "validator", elsewhere) is None
    assert static_conflict(rules, "approver", elsewhere)[0].id == "ST3"
    assert static_conflict(rules, "validator", [*elsewhere, ("developer", True)])[0].id == "ST8"


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
