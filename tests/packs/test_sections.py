"""What the sections say follows the facts: answers in whole sentences, acceptance, gaps, words for stored values."""

from __future__ import annotations

import re
from html import unescape

import pytest
import segno

from apps.access.signing import SignatureInput, content_digest
from apps.access.telling import ending, told_act
from apps.analysis.method_words import method_words
from apps.approvals.acts import open_gate, sign_approval
from apps.approvals.models import Slot
from apps.core import jobs
from apps.core.clock import now
from apps.packs.gather import gather
from apps.packs.gather.gate import _signed_as
from apps.packs.qr import qr_svg
from apps.packs.sections import (
    answers,
    card,
    decisions,
    evidence,
    fairness,
    gaps,
    people,
    records,
    traceability,
    trail,
    words,
)
from apps.packs.sections.blocks import decimal, interval
from tests.access.test_waivers import granted
from tests.cast import PASSWORD
from tests.factories.evidence import validated_world
from tests.factories.explanations import reviewed


def said(chapter) -> str:
    return " ".join(chapter.html.split())


@pytest.mark.django_db
def test_a_rejected_version_is_told_by_its_facts(world, settings):
    settings.JOB_LEASE_SECONDS = 3600
    found = validated_world(world)
    gate = open_gate(world.owner, found.version.pk)
    jobs.run_queued()
    slot = Slot.objects.get(gate=gate, code="approval")
    given = SignatureInput(content_digest(slot), PASSWORD, decision="rejected")
    sign_approval(world.approver, slot.pk, reason="Recall is too low.", signature=given)
    gathered = gather(found.version.pk, now())
    content = gathered.content

    told = [
        " ".join(" ".join(part["points"]) if "points" in part else part["text"] for part in answer["parts"])
        for answer in answers.told(content)
    ]
    use = content["intended_use"]["content"]
    assert "lotx/1.0.0 is in the state rejected, since 20" in told[0]
    assert "not accepted for this version as of" in told[0]
    assert " ".join(use["residual_risk"].split()).rstrip(".") in told[0]
    wanted = len(content["gate"]["gates"][-1]["slots"])
    assert f"wants {wanted} signatures; 1 given, 1 binding now." in told[2]
    assert "Approver Person (approver), QA approver, rejected on 20" in told[2]
    assert "Reason: Recall is too low." in told[2]
    assert "Owner accepts the residual risk" in told[2].partition("Missing: ")[2]
    assert ", before the first run " in told[3]
    for line in content["bias_reports"][-1]["content"]["summary"]:
        assert f"{line['id']}: " in told[3]
        assert f"limit {'≤' if line['kind'] == 'difference' else '≥'} {line['limit']}" in told[3]
    assert "rejected at the gate on" in told[4]
    assert "Archive of the code, by digest" in told[4]
    assert not [text for text in told if "…" in text.replace(told[1], "")]

    risk = said(records.risk(content))
    assert "Residual risk, not accepted for this version as of" in risk
    assert "Residual risk accepted by the owner" not in risk
    missing = [what for what, _where, _who in gaps.missing_evidence(content)]
    assert {"Archive of the code, by digest", "Privacy assessment of the data"} <= set(missing)
    ready = said(gaps.readiness(content))
    assert all(what in ready for what in missing)
    assert all(title in ready and why in ready for title, why, _who in gaps.LEFT_OUT.values())

    bias = said(fairness.fairness(content, gathered.charts))
    assert "bias limits of VP-" in bias
    assert "end of the interval nearest to equality" in bias
    assert "(near)" not in bias
    assert len(content["bias_reports"][-1]["limit_charts"]) == 2  # a difference and a ratio by sex
    for chart in content["bias_reports"][-1]["limit_charts"]:
        assert "limit 0." in gathered.charts[chart["digest"]]
    assert all("registry.model:" not in each["signed_as"] for each in content["signatures"])
    manifest = said(decisions.signature_manifest(content))
    assert f"QA approver of {found.version.model.slug}" in manifest
    assert "registry.model:" not in manifest
    runs = said(evidence.validation(content, gathered.charts))
    assert "Training minus test" in runs
    assert "DeLong on the logit scale" in runs
    assert "delong, logit" not in runs
    separated = said(people.separation(content))
    assert "rejected at the release gate (QA approval)" in separated
    assert "Shared with others: data it was made of" in separated


def test_stored_values_become_words():
    assert words.value_words({"value": "0.79", "n": 89}) == "0.79, n = 89"
    assert words.value_words(["age", "arm"]) == "age, arm"
    assert words.value_words(True) == "yes"
    assert words.value_words({}) == "–"
    assert method_words("count bootstrap, 1000") == "bootstrap of counts, 1000 replicates"
    assert words.level_words("0.98333333") == "98.33 %"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_a_rounded_zero_has_no_sign():
    assert decimal("-0.0004") == "0.000"
    assert interval({"low": "-0.0012", "high": "-0.0001"}) == "-0.001 to 0.000"


def test_a_signer_s_duties_name_what_is_of_the_version_and_nothing_else():
    places = {"registry.model:1": "lotx"}
    kept = "approver on registry.model:1; owner on registry.model:2; compliance on organisation:0"
    told = "QA approver of lotx; owner of another model (no. 2); compliance officer"
    assert _signed_as(kept, places) == told
    assert _signed_as("", places) == ""


def test_a_comment_given_to_many_entries_stands_once():
    seen = [{"entry": n, "by": "rita", "comment": "In order."} for n in range(101)]
    seen += [
        {"entry": 200, "by": "rita", "comment": "Asked the author."},
        {"entry": 201, "by": "rita", "comment": ""},
    ]
    rows = trail._commented([{"ref": "TR-1", "content": {"seen": seen}}])
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("TR-1", "rita", "In order."),
        ("TR-1", "rita", "In order."),
        ("TR-1", "rita", "Asked the author."),
    ]
    assert ", ".join((rows[0][1], rows[1][1])) == ", ".join(map(str, range(101)))
    assert rows[2][1] == "200"


def test_the_box_counts_what_the_gate_counts():
    plan = {"locked_at": "2026-11-22T16:16:51Z", "content": {"criteria": [{}] * 4, "baselines": [{}]}}
    assert evidence._locked(plan) == (
        "4 criteria and 1 line of the replaced process, locked 2026-11-22 16:16:51 UTC"
    )
    assert (
        evidence._locked(plan | {"content": {"criteria": [{}]}})
        == "1 criterion, locked 2026-11-22 16:16:51 UTC"
    )


def test_a_rejection_is_never_told_as_a_signature():
    assert (
        told_act("approvals.sign_review", {"decision": "approved"})
        == "signed the release gate for compliance"
    )
    assert told_act("approvals.sign_review", {"decision": "rejected"}) == (
        "rejected at the release gate (compliance review)"
    )
    assert ending({"signatures": ["x"], "decision": "rejected"}) == ", rejection signed"
    assert ending({"signatures": ["x"]}) == ", signed"
    assert ending({}) == ""


def test_the_qr_code_holds_the_digest():
    """Read back by the geometry of the symbol: as many dark modules as the encoder made, and the text as its title."""
    text = f"sha256:{'ab' * 32}"
    svg = qr_svg(text)
    symbol = segno.make(text, error="m", micro=False)
    assert f"<title>QR code of {text}</title>" in svg
    assert sum(map(int, re.findall(r"h(\d+)v1", svg))) == sum(sum(row) for row in symbol.matrix)
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.django_db
@pytest.mark.evidence("frozen")
def test_a_waiver_in_force_is_printed_with_its_reason_and_signers(world):
    version = validated_world(world, until="frozen").version
    waiver = granted(world, rule="DY8", person="validator", version_id=version.pk)
    content = gather(version.pk, now()).content
    ready, separated = said(gaps.readiness(content)), said(people.separation(content))
    assert f"Waivers in force: {waiver.ref}, rule DY8, for Validator Person until" in ready
    for printed in (waiver.reason, waiver.control, *(s.printed_name for s in waiver.signatures)):
        assert printed in separated


@pytest.mark.django_db
@pytest.mark.evidence("reported")
def test_the_model_card_says_what_the_records_say(world):
    found = validated_world(world)
    empty = said(card.card(gather(found.version.pk, now()).content))
    why = empty.partition("Why it answers as it does")[2].partition("What disturbs it")[0]
    assert "None recorded as of" in why
    assert "Responsible: validator" in why

    explained = reviewed(world, found.run)
    content = gather(found.version.pk, now()).content
    told = unescape(said(card.card(content)))
    use = content["intended_use"]["content"]
    assert all(
        " ".join(use[name].split()) in told for name in ("question", "misuse", "limits", "operator_duties")
    )
    results = content["runs"][-1]["content"]["results"]
    assert len(results) == 3
    assert all(decimal(each["value"]) in told and interval(each) in told for each in results)
    assert all(decimal(each["value"]) in told for each in content["bias_reports"][-1]["content"]["summary"])
    examples = content["explanations"][-1]["results"]["examples"]
    assert examples
    assert all(each["sentence"] in told for each in examples)
    assert explained.ref in told
    asked = told.partition("Whom to ask")[2]
    assert world.owner.printed_name in asked
    assert world.validator.printed_name not in asked


def test_the_matrix_leads_from_risk_to_clause_with_signer_and_time_on_each_line():
    line = {
        "requirement": "REQ-1/v1", "risks": "RK-1/v2", "text": "It refuses other units.",
        "shown_by": "probe", "test": "noise_5", "outcome": "passed", "message": "", "evidence": "PR-3", "link": "",
        "clauses": "Annex 22 4.1",
        "signed_by": "Approver Person", "signed_at": "2026-11-20 09:15 UTC", "lacks": "", "accepted_by": "",
    }  # fmt: skip
    bare = line | {"risks": "RK-2/v1", "requirement": "", "shown_by": "", "outcome": "", "evidence": "", "clauses": "",
                   "signed_by": "", "signed_at": "", "lacks": "risk_without", "text": "Drift"}  # fmt: skip
    content = {
        "as_of": "2026-11-21T00:00:00Z", "requirements": [], "risks": [],
        "traceability": {"lines": [bare, line], "open_ends": {"risk_without": 1}},
    }  # fmt: skip
    told = said(traceability.traceability(content))
    heads = [unescape(each) for each in re.findall(r"<th [^>]*>(.*?)</th>", told)]
    wanted = [
        "Risks",
        "Requirement",
        "Shown by",
        "Result",
        "Evidence",
        "Signed by",
        "Signed at",
        "Clauses; open end",
    ]
    assert heads[-8:] == wanted
    for words_of in (
        "Approver Person",
        "2026-11-20 09:15 UTC",
        "A limit of the probes",
        "Annex 22 4.1",
        "nobody",
    ):
        assert words_of in told, words_of
    assert told.index("RK-2/v1") < told.index("RK-1/v2")
