"""The release page and the sections of a dossier, with the evidence of a whole version behind them."""

from __future__ import annotations

import html

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.access.gate import visible
from apps.approvals.acts import open_gate, sign_approval, sign_responsibility
from apps.core import blobs
from apps.core.jobs import run_queued
from apps.registry.acts import register_version, write_intended_use
from apps.registry.inspecting import inspect_artefact
from apps.trail.models import Entry
from apps.trail.queries import told
from apps.web.sections import SECTIONS
from apps.web.views.records import SHELVES
from tests.approvals.conftest import slot_of
from tests.cast import give
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.evidence import signed, validated_world
from tests.factories.foundation import USE, data_version, frozen_version, registered_version

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
SLUGS = [slug for slug, _ in SECTIONS if slug != "summary"]


@pytest.fixture
def signed_in(world):
    def enter(person: str) -> Client:
        client = Client()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


@pytest.fixture
def frozen(world):
    *_, version = frozen_version(
        world,
        label="1.0.0",
        artefact=blobs.put(onnx_model()),
        features=FEATURES,
        train=train_csv(),
        test=vault_csv(),
    )
    return version


def text_of(response) -> str:
    return html.unescape(response.content.decode())


def section(slug: str, label: str = "1.0.0") -> str:
    return reverse("web:section", args=["lotx", label, slug])


@pytest.mark.evidence("reported")
def test_every_section_shows_its_evidence_to_whoever_sees_the_version(world, signed_in):
    made = validated_world(world)
    expected = {
        "intended-use": [USE["question"], "How the tier follows", "VALID"],
        "data": ["trial/v1", "Trial database", made.plan.ref, "no shared row"],
        "verification": ["REQ-1/v1", "1 lines, 0 open ends", "2 tests, 2 passed", "Bill of materials"],
        "validation": [made.plan.ref, made.run.ref, "auc", "n = 400", "≥ 0.8"],
        "fairness": [made.report.ref, "equal opportunity", "<svg"],
        "explainability": ["No explanation computed by the portal", "Compute explanation"],
        "robustness": ["RP-1", "PR-1", "Within limits", "Noise of 5 %", "<svg"],
        "deviations": ["No deviation"],
        "signatures": ["I take responsibility for this record", made.plan.ref],
        "people": ["Author Person", "registered a model version", "nobody checked their own work"],
        "lineage": ["trial/v1", made.plan.ref, made.run.ref, made.report.ref],
        "documents": ["No pack has been built", made.version.artefact_digest],
        "audit": ["Timeline", "registered a model version", "Reviews of the trail", "TR-1"],
    }
    assert set(expected) == set(SLUGS)
    for person in ("author", "inspector"):
        client = signed_in(person)
        for slug, words in expected.items():
            page = text_of(client.get(section(slug)))
            for word in words:
                assert word.lower() in page.lower(), (person, slug, word)


def test_a_section_opens_with_requirement_verdict_evidence_and_who(world, signed_in, frozen):
    page = text_of(signed_in("validator").get(section("validation")))
    required = page.split("What is required")[1].split("Plans")[0]
    assert "Validation plan locked before the first run" in required
    assert "EU GMP Annex 22 draft 4.2, 7.2" in required
    assert "You can." in required
    assert "Validator Person can" not in required


def test_who_holds_no_duty_on_the_model_sees_no_section(world, signed_in, frozen):
    for person in ("stranger", "other_developer", "curator"):
        client = signed_in(person)
        for slug in SLUGS:
            assert client.get(section(slug)).status_code == 404, (person, slug)
        assert client.get(reverse("web:version", args=["lotx", "1.0.0"])).status_code == 404


def test_unknown_sections_and_labels_are_not_there(world, signed_in, frozen):
    client = signed_in("author")
    for address in (section("money"), section("summary"), section("data", "9.9.9")):
        assert client.get(address).status_code == 404, address


def test_the_release_page_says_what_blocks_and_who_can_mend_it(world, signed_in):
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    train = data_version(world, "train", train_csv())
    registered_version(
        world,
        label="0.9.0",
        artefact=blobs.put(onnx_model()),
        features=FEATURES,
        train=train,
        use=use,
    )
    address = reverse("web:version", args=["lotx", "0.9.0"])
    page = text_of(signed_in("author").get(address))
    assert "IU-lotx/v1 is not signed by the process expert and the owner." in page
    assert "Process Expert Person" in page
    for_expert = signed_in("process_expert").get(address)
    assert "Skip to what needs you" in text_of(for_expert)
    assert reverse("web:sign", args=["registry.sign_intended_use_expert", use.pk]) in text_of(for_expert)
    part = signed_in("author").get(address, headers={"HX-Request": "true"})
    assert text_of(part).lstrip().startswith('<section id="gate"')


@pytest.mark.evidence("reported")
def test_a_dossier_costs_the_same_queries_for_one_version_and_for_three(
    world, signed_in, django_assert_max_num_queries
):
    made = validated_world(world)
    gate = open_gate(world.owner, made.version.pk)
    run_queued()
    # An inspector's look is entered, by an act that asks anew what the page knew; PostgreSQL is told the act and asked
    # for the time by queries of their own.
    looking = 31 if connection.vendor == "sqlite" else 33
    for given in (1, 2, 3):
        for person in ("inspector", "approver", "owner"):
            client = signed_in(person)
            client.get(reverse("web:version", args=["lotx", "1.0.0"]))
            with django_assert_max_num_queries(looking if person == "inspector" else 21):
                assert client.get(reverse("web:version", args=["lotx", "1.0.0"])).status_code == 200
        for slug in SLUGS:
            with django_assert_max_num_queries(26):
                assert client.get(section(slug)).status_code == 200, slug
        if given < 3:
            registered_version(
                world,
                label=f"1.0.{given}",
                artefact=blobs.put(onnx_model(str(given))),
                features=FEATURES,
                train=made.train,
                use=made.use,
                parent_id=made.version.pk,
            )
            code, act = (("approval", sign_approval), ("responsibility", sign_responsibility))[given - 1]
            slot = slot_of(gate, code)
            act(world.approver if code == "approval" else world.owner, slot.pk, signature=signed(slot))


@pytest.mark.evidence("reported")
def test_lists_cost_at_most_twelve_queries(world, signed_in, django_assert_max_num_queries):
    validated_world(world)
    client = signed_in("approver")
    for name in (
        "models",
        "datasets",
        "audit",
        "deviations",
        "plans",
        "runs",
        "bias_reports",
        "packs",
        "records",
    ):
        client.get(reverse(f"web:{name}"))
        with django_assert_max_num_queries(12):
            response = client.get(reverse(f"web:{name}"))
        assert response.status_code == 200, name
    shown = [shelf["count"] for shelf in response.context["shelves"]]  # of the last one, the records
    kinds = [apps.get_model(kind) if isinstance(kind, str) else kind for *_, kind in SHELVES]
    rows = [visible(world.approver, kind) for kind in kinds]
    assert shown == [(told(each) if each.model is Entry else each).count() for each in rows]
    assert max(shown) > 0


def test_lineage_names_what_the_reader_may_not_see_instead_of_leaving_it_out(world, signed_in, frozen):
    give(world, "author", "developer", world.other_model, by="other_owner")
    use = write_intended_use(world.other_owner, world.other_model.pk, given=USE, reason="First statement")
    blob = blobs.put(onnx_model())
    found = inspect_artefact(blob.digest)
    register_version(
        world.author,
        world.other_model.pk,
        label="1.0.0",
        intended_use_id=use.pk,
        artefact_digest=blob.digest,
        artefact_size=blob.size,
        artefact_name="m.onnx",
        artefact_format=found["format"],
        interface=found["interface"],
        features=list(FEATURES),
        code_commit="4be19d0c",
        data_version_ids=[frozen.data.get().dataset_version_id],
        author_ids=[world.author.pk],
        parent_id=frozen.pk,
    )
    assert "visc/1.0.0" in text_of(signed_in("author").get(section("lineage")))
    hidden = text_of(signed_in("colleague").get(section("lineage")))
    assert "visc/1.0.0" not in hidden
    assert "1 that you may not see" in hidden


@pytest.mark.evidence("reported")
def test_evidence_that_no_longer_matches_its_digest_stops_the_page(world, signed_in):
    made = validated_world(world)
    stored = blobs.path(made.report.results_digest, area="results")
    good = stored.read_bytes()
    stored.chmod(0o600)
    try:
        stored.write_bytes(good + b" ")
        response = signed_in("author").get(section("fairness"))
    finally:
        stored.write_bytes(good)
    assert response.status_code == 409
    assert "This evidence cannot be shown." in text_of(response)
