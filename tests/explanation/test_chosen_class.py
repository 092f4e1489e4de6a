"""One class of several explained for every case: asked for by page and API, told as such, and no word for the gate."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.urls import reverse
from sklearn.metrics import roc_auc_score

from apps.access.signing import content_digest, content_of
from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import BadInput
from apps.core.jobs import run_queued
from apps.explanation import queries
from apps.explanation.acts import request_report
from apps.explanation.checks import explanation_reviewed, last_report
from apps.explanation.export import as_csv
from apps.explanation.models import Report
from apps.packs.gather import gather
from apps.packs.sections.card import card
from apps.packs.sections.explanation import explanation
from apps.registry.models import Version
from apps.validations import cases as per_case
from tests.factories.doors import browser, text_of
from tests.factories.evidence import validated_world
from tests.factories.explanations import explained, read, reviewed
from tests.factories.tasks import CLASSES, tasked_world

CHOSEN = "malignant"


@pytest.fixture
def made(world):
    return tasked_world(world, "multiclass")


def outcome(made):
    version = Version.objects.select_related("model", "intended_use").get(pk=made.version.pk)
    version.intended_use.affects_people = True
    return explanation_reviewed(version)


def test_the_class_is_explained_for_every_case_and_by_its_own_area(world, made):
    report = explained(world, made.run, CHOSEN)
    assert (report.state, report.failure, report.explained_class) == ("done", "", CHOSEN)
    found = queries.results_of(report)["explanation"]
    assert (found["explained_class"], found["quantity"]) == (CHOSEN, f"the score of “{CHOSEN}”")
    assert found["measure_words"] == f"drop in the AUC of “{CHOSEN}” against the rest when shuffled"
    assert (found["achieved"], found["surrogate"]["agreement"]) == (None, None)
    assert f"scores of “{CHOSEN}”" in found["surrogate"]["sentence"]
    cases = per_case.read_cases_table(made.run.cases_digest)
    scores = cases[f"case_score_{CLASSES.index(CHOSEN) + 1}"].to_numpy()
    labels = np.array(cases[per_case.LABEL].to_pylist()) == CHOSEN
    assert float(found["auc"]) == pytest.approx(roc_auc_score(labels, scores), rel=1e-3)
    kept = pq.read_table(io.BytesIO(blobs.read(report.cases_digest, area="vault")))
    rows = kept[per_case.ROW].to_numpy() - 1
    assert np.allclose(kept[per_case.SCORE].to_numpy(), scores[rows], atol=1e-6)
    parts = [kept[name].to_numpy() for name in kept.column_names if name.startswith("attribution")]
    assert np.ptp(kept[per_case.SCORE].to_numpy() - np.sum(parts, axis=0)) < 1e-6  # one base of all cases
    assert {each["class"] for each in found["examples"]} > {CHOSEN}  # also cases that get another class
    assert all(f"its score of “{CHOSEN}” lies " in each["sentence"] for each in found["examples"])


def test_another_class_or_none_is_another_explanation(world, made):
    by_case, chosen, other = (explained(world, made.run, name) for name in ("", CHOSEN, CLASSES[0]))
    assert len({each.results_digest for each in (by_case, chosen, other)}) == 3
    assert explained(world, made.run, CHOSEN).results_digest == chosen.results_digest
    assert content_of(chosen)["explained_class"] == CHOSEN
    assert "explained_class" not in content_of(by_case)  # as signed before a class could be chosen
    assert content_digest(chosen) != content_digest(by_case)


def test_the_gate_takes_no_single_class_for_the_explanation_it_asks_for(world, made):
    """Whoever chooses the class chooses which features show: reviewed or not, it stands beside."""
    alone = explained(world, made.run, CHOSEN)
    beside = outcome(made)
    assert (beside.state, beside.refs) == ("not_started", (alone.ref,))
    assert f"{alone.ref} explains “{CHOSEN}” alone and is evidence beside it" in beside.why
    assert beside.needs == (("explanation.request_report", "validations.run", made.run.pk),)
    whole = reviewed(world, made.run)
    explained(world, made.run, CLASSES[0])  # a later one takes nothing from what was reviewed
    met = outcome(made)
    assert (met.state, met.refs) == ("met", (whole.ref,))
    assert last_report(made.version).pk == whole.pk


def test_pack_and_section_tell_it_beside_and_the_card_rests_on_the_whole(world, made):
    whole, alone = explained(world, made.run), explained(world, made.run, CHOSEN)
    gathered = gather(made.version.pk, now())
    part = explanation(gathered.content, gathered.charts).html
    assert f"the score of “{CHOSEN}”" in part
    assert alone.summary["features"][0]["sentence"] != whole.summary["features"][0]["sentence"]
    assert f"{whole.ref}, computed here" in card(gathered.content).html
    assert "surrogate" in as_csv(alone)
    section = text_of(
        browser(world.validator).get(
            reverse("web:section", args=[made.version.model.slug, made.version.label, "explainability"])
        )
    )
    assert whole.summary["features"][0]["sentence"] in section
    assert alone.summary["features"][0]["sentence"] not in section
    assert alone.ref in section


def test_it_is_chosen_on_a_page_and_computed_again_with_the_same_class(world, made):
    client, url = browser(world.validator), reverse("web:explanation_request", args=[made.run.number])
    page = client.get(url).content.decode()
    for name in CLASSES:
        assert f"“{name}”" in page
    wrong = client.post(url, {"explained_class": "worst", "idempotency_key": "k1"})
    assert (wrong.status_code, Report.objects.count()) == (422, 0)
    assert client.post(url, {"explained_class": CHOSEN, "idempotency_key": "k2"}).status_code == 302
    run_queued()
    report = read(Report.objects.get())
    shown = client.get(reverse("web:explanation", args=[report.number]))
    told = text_of(shown)
    assert f"Of “{CHOSEN}” alone." in told
    assert f"Explained is the score of “{CHOSEN}”." in told
    assert f"{url}?class={CHOSEN}" in shown.content.decode()
    again = client.get(f"{url}?class={CHOSEN}").content.decode()
    assert f'value="{CHOSEN}" selected' in again
    assert browser(world.author).get(url).status_code == 403


def test_the_api_takes_and_tells_it_and_refuses_another(world, made):
    client, url = browser(world.validator), f"/api/v1/runs/{made.run.number}/explanations"
    bad = client.post(url, {"explained_class": "worst"}, content_type="application/json")
    assert bad.status_code == 422
    assert "One of: benign, atypical, malignant." in json.dumps(bad.json(), ensure_ascii=False)
    good = client.post(url, {"explained_class": CHOSEN}, content_type="application/json")
    assert (good.status_code, good.json()["explained_class"]) == (202, CHOSEN)


@pytest.mark.evidence("run")
def test_of_two_classes_none_is_chosen(world):
    tested = validated_world(world, until="run")
    with pytest.raises(BadInput) as refused:
        request_report(world.validator, tested.run.pk, explained_class="1")
    assert "not about several classes" in refused.value.fields["explained_class"][0]
    assert not Report.objects.exists()
