"""Every rule that a refusal names says what it says, in one place for page, Work, API and mail."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from rest_framework import exceptions

from apps.access import factors, training
from apps.access.colliding import WORDS as WORDS_OF_CONSTRAINTS
from apps.api.errors import problem
from apps.core.errors import Busy, NotAllowed
from apps.core.rulewords import SENTENCES, has_words, rule_words

APPS = Path(__file__).resolve().parents[2] / "apps"
NO_REFUSAL = {"apps/web/styleguide.py"}  # shows how one looks


def rules_named() -> Iterator[tuple[str, str]]:
    """(rule, file) of every `rule=` in the code that is text, a choice of texts, or a constant of its module."""
    for path in sorted(APPS.rglob("*.py")):
        name = path.relative_to(APPS.parent).as_posix()
        if "migrations" in path.parts or name in NO_REFUSAL:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            given = [word.value for word in node.keywords if word.arg == "rule"]
            if isinstance(node.func, ast.Attribute) and node.func.attr == "setdefault":
                given += node.args[1:] if ast.unparse(node.args[0]) == "'rule'" else []
            while given:
                value = given.pop()
                if isinstance(value, ast.IfExp):
                    given += [value.body, value.orelse]
                elif isinstance(value, ast.Name) and value.id in constants:
                    given.append(constants[value.id])
                elif isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.FormattedValue):
                    # f"{RULE}: what it says here": the words come with it
                    assert ": " in ast.unparse(value), f"{name}: {ast.unparse(value)}"
                elif isinstance(value, ast.Constant) and value.value:
                    yield value.value, name


def test_every_rule_says_what_it_says():
    found = list(rules_named())
    assert len({rule for rule, _name in found}) > 80, "the code is read as meant"
    assert sorted({(rule, name) for rule, name in found if not has_words(rule)}) == []


def test_a_sentence_is_a_sentence_and_none_is_left_behind():
    for rule, said in SENTENCES.items():
        assert said == said.strip().rstrip("."), rule
        assert rule_words(rule).endswith("."), rule
        assert rule_words(rule).count("Rule") == 1, rule
    named = {rule.partition(": ")[0] for rule, _name in rules_named()}
    codes = {getattr(each, "default_code", "") for each in vars(exceptions).values()}
    elsewhere = {words[2] for words in WORDS_OF_CONSTRAINTS.values()}
    elsewhere |= {training.RULE, factors.RULE.partition(": ")[0]}
    assert sorted(set(SENTENCES) - named - codes - elsewhere) == []


def test_one_sentence_in_api_and_mail():
    refused = NotAllowed("You cannot approve this.", fact="You wrote it.", rule="duty", who=["A. Novak"])
    said = "Rule: each act is for those who hold its duty on this record."
    assert problem(403, refused.what, rule=refused.rule).data["rule_text"] == said
    assert said in refused.sentence()
    assert rule_words("DY13: who made a part may not approve it") == (
        "Rule DY13: who made a part may not approve it."
    )
    assert rule_words("") == problem(503, "x").data["rule_text"] == ""
    assert "done afterwards" in Busy("Busy.", retry_after=1).sentence()
