"""The main job from sign-in to download, each person doing their part in a browser of their own."""

from __future__ import annotations

import hashlib
import re
import zipfile

import pytest
from playwright.sync_api import expect

from apps.registry.models import Version
from apps.robustness.acts import request_report
from apps.trail.models import Entry
from tests.e2e.browsing import EVIDENCE_MS
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.foundation import USE
from tests.factories.probes import handed_in, lenient, locked_probes
from tests.factories.verification import verified

pytestmark = pytest.mark.django_db(transaction=True)

# person -> (duty, on the model, on the dataset)
DUTIES = (
    ("author", "developer", True, True),
    ("validator", "validator", True, True),
    ("bias_tester", "bias_tester", True, False),
    ("approver", "approver", True, False),
    ("process_expert", "process_expert", True, False),
    ("curator", "curator", False, True),
    ("steward", "steward", False, True),
)
PROVENANCE = {
    "source": "Trial database",
    "collection": "Recorded at the site in 2024",
    "entity_column": "patient",
}
CRITERIA = (("auc", "all", "0.8", "lower", "100"), ("tpr", "all", "0.7", "lower", "50"))
LIMITS = (
    ("equal_opportunity_difference", "sex", "0.25", "near", "30"),
    ("demographic_parity_ratio", "sex", "0.5", "near", "30"),
)


def choose(page, name: str, words: str) -> None:
    """The option of a list whose text holds `words`."""
    option = page.locator(f"[name='{name}'] option", has_text=words)
    page.locator(f"[name='{name}']").select_option(value=option.first.get_attribute("value"))


def request_duty(registrar, parent: str, person: str, duty: str) -> None:
    registrar.goes_to(f"{parent}people/")
    registrar.clicks("Request a duty")
    registrar.page.locator("select[name='duty']").select_option(duty)
    registrar.clicks("Show who can be given it")
    choose(registrar.page, "person_id", f"(@{person})")
    registrar.fills(reason="Needed for the work")
    registrar.page.get_by_role("button", name=re.compile("^Request ")).click()
    registrar.sees("Somebody else approves it.")


def approve_all(owner, parent: str, *, look: str = "") -> None:
    """Every request that waits on this parent."""
    owner.goes_to(f"{parent}people/")
    if look:
        owner.looks(look)
    while owner.page.locator("#waiting a", has_text="Approve").count():
        owner.page.locator("#waiting a", has_text="Approve").first.click()
        owner.page.get_by_role("button", name=re.compile("^Approve A-")).click()
        expect(owner.page.locator("#held")).to_be_visible()


def upload(who, path: str, heading: str, name: str, data: bytes, **fields: str) -> None:
    who.goes_to(path)
    if fields.pop("partition", ""):
        who.page.locator("[name='partition'][value='train']").check()
    who.page.locator("[name='file']").set_input_files({"name": name, "mimeType": "text/csv", "buffer": data})
    who.fills(**PROVENANCE, **fields)
    who.looks(f"upload-{name}")
    who.clicks(heading, role="button")
    who.waits_for("Fixed")


def trail_is_reviewed(owner, approver, compliance, release: str) -> str:
    """The owner asks for it, the approver is refused (they approved the plan), the compliance officer does it."""
    owner.goes_to(f"{release}audit/")
    owner.looks("section-audit-unreviewed")
    owner.clicks("Review the audit trail")
    owner.looks("trail-review-form")
    owner.clicks("Open the review", role="button")
    review = owner.page.url.removeprefix(owner.address).partition("?")[0]
    approver.goes_to(review)
    approver.sees(re.compile("You approved and locked a validation plan"))
    approver.looks("trail-review-refused")
    compliance.goes_to("/work/")
    compliance.clicks("Go through")
    compliance.looks("trail-review")
    while compliance.page.get_by_text(re.compile("entries still to be seen")).count():
        for box in compliance.page.locator("tr", has_text="not yet").locator("[name='entries']").all():
            box.check()
        compliance.fills(comment="Read with the record it is about; in order.")
        compliance.clicks("Mark the chosen entries as seen", role="button")
        compliance.sees(re.compile("marked as seen"))
        compliance.goes_to(review)
    compliance.page.get_by_text("Record a finding", exact=True).click()
    compliance.fills(text="The names of two columns differ from those in the plan's words.")
    compliance.clicks("Record the finding", role="button")
    compliance.sees("TR-1/1: Observation, for the record")
    compliance.looks("trail-review-seen")
    compliance.clicks("Sign the review")
    compliance.looks("sign-trail-review")
    compliance.signs(reason="The finding has no consequence for the release.")
    compliance.has_signed()
    compliance.goes_to(review)
    compliance.sees("Current: no act has come since that it would have to cover.")
    compliance.looks("trail-review-signed")
    compliance.goes_to("/trail-reviews/")
    compliance.looks("trail-reviews")
    return review


@pytest.mark.long
def test_from_sign_in_to_download(world, person, real_worker, tmp_path):
    real_worker()
    model, dataset = "/models/potency/", "/datasets/potency-trial/"

    registrar = person("registrar")
    registrar.looks("work-empty")
    registrar.goes_to("/models/register/")
    registrar.looks("model-register")
    registrar.fills(name="Potency", slug="potency", description="Ranks lots for a second look.")
    choose(registrar.page, "owner_id", "(@owner)")
    registrar.clicks("Register model", role="button")
    registrar.sees("A compliance officer approves its owner.")
    registrar.goes_to("/datasets/register/")
    registrar.fills(name="Potency trial", slug="potency-trial")
    choose(registrar.page, "owner_id", "(@owner)")
    registrar.looks("dataset-register")
    registrar.clicks("Register dataset", role="button")
    registrar.looks("dataset-empty")

    compliance = person("compliance")
    for parent in (model, dataset):
        approve_all(compliance, parent)
    compliance.looks("people")

    for name, duty, on_model, on_dataset in DUTIES:
        if on_model:
            request_duty(registrar, model, name, duty)
        if on_dataset:
            request_duty(registrar, dataset, name, duty)
    registrar.looks("people-requested")
    owner = person("owner")
    approve_all(owner, model, look="people-to-approve")
    approve_all(owner, dataset)

    curator, steward = person("curator"), person("steward")
    upload(curator, f"{dataset}upload/", "Upload version", "train.csv", train_csv(), partition="train")
    curator.looks("dataset-version")
    upload(steward, f"{dataset}upload-test/", "Upload test version", "test.csv", vault_csv())
    steward.looks("dataset-version-vault")

    expert = person("process_expert")
    expert.goes_to(f"{model}intended-use/new/")
    for name, value in USE.items():
        if isinstance(value, bool):
            expert.page.locator(f"[name='{name}']").set_checked(value)
        elif name in ("influence", "consequence"):
            expert.page.locator(f"[name='{name}'][value='{value}']").check()
        else:
            expert.fills(**{name: value})
    expert.fills(reason="First statement")
    expert.page.get_by_label("Kind of reason").select_option("other")
    expert.looks("intended-use-form")
    expert.clicks("Show what will change")
    expert.looks("intended-use-changes")
    expert.page.get_by_role("button", name=re.compile("^Confirm: Write intended use")).click()
    expert.looks("intended-use")
    expert.clicks("Sign as process expert")
    expert.looks("sign-intended-use")
    expert.signs()
    expert.has_signed()
    expert.looks("signature")
    owner.goes_to(f"{model}intended-use/1/")
    owner.clicks("Approve as owner")
    owner.signs()
    owner.has_signed()

    author = person("author")
    author.goes_to(model)
    author.looks("model")
    author.clicks("Register version")
    author.fills(
        label="1.0.0", features="\n".join(FEATURES), code_commit="4be19d0c", claimed_metrics='{"auc": 0.9}'
    )
    author.page.locator("[name='artefact']").set_input_files(
        {"name": "model.onnx", "mimeType": "application/octet-stream", "buffer": onnx_model()}
    )
    author.page.get_by_label(re.compile("potency-trial/v1")).check()
    author.looks("version-form")
    author.clicks("Register version", role="button")
    author.looks("release-registered")
    author.clicks("Freeze")
    author.looks("freeze")
    author.page.get_by_role("button", name=re.compile("^Freeze ")).click()
    author.sees("A change from now on is a new version.")
    version = Version.objects.get(model__slug="potency", label="1.0.0")
    release = f"{model}1.0.0/"

    validator, approver = person("validator"), person("approver")
    validator.goes_to(f"/versions/{version.pk}/plan/")
    validator.looks("plan-form-empty")
    for _ in range(len(CRITERIA) - 1):
        validator.clicks("Add another criterion")
    for _ in range(len(LIMITS) - 1):
        validator.clicks("Add another limit")
    choose(validator.page, "test_data_id", "potency-trial/v2")
    validator.fills(
        label_column="outcome",
        positive_value="1",
        threshold="0.5",
        group_columns="sex, site",
        rationale="400 patients give an interval of at most 0.1 either side for each sex.",
    )
    for i, (metric, cases, limit, rule, min_n) in enumerate(CRITERIA):
        for name, value in (("metric", metric), ("rule", rule)):
            validator.page.locator(f"[name='criteria-{i}-{name}']").select_option(value)
        validator.fills(
            **{f"criteria-{i}-subgroup": cases, f"criteria-{i}-limit": limit, f"criteria-{i}-min_n": min_n}
        )
    for i, (metric, column, limit, rule, min_n) in enumerate(LIMITS):
        for name, value in (("metric", metric), ("rule", rule)):
            validator.page.locator(f"[name='bias_limits-{i}-{name}']").select_option(value)
        validator.fills(
            **{
                f"bias_limits-{i}-column": column,
                f"bias_limits-{i}-limit": limit,
                f"bias_limits-{i}-min_n": min_n,
            }
        )
    validator.page.locator("[name='baselines-0-metric']").select_option("tpr")
    validator.fills(
        **{"baselines-0-value": "0.6", "baselines-0-n": "250", "baselines-0-source": "Report Q-17"}
    )
    validator.looks("plan-form")
    validator.page.get_by_role("button", name="Write plan", exact=True).last.click()
    validator.sees(re.compile("is written. Sign it as its author"))
    validator.looks("plan")
    plan = validator.page.url.removeprefix(validator.address)
    validator.clicks("Sign as author")
    validator.signs()
    validator.has_signed()
    approver.goes_to(plan)
    approver.clicks("Approve plan")
    approver.looks("sign-plan")
    approver.signs()
    approver.has_signed()

    validator.goes_to(plan)
    validator.clicks("Run validation")
    expect(validator.page.locator("#run-now")).to_be_visible()
    validator.waits_for("Training against test")
    validator.sees("400 of 400 rows of potency-trial/v2 scored; none excluded.")
    validator.sees("Against the replaced process")
    validator.sees("Table of the thresholds chart")
    validator.looks("run")
    run = validator.page.url.removeprefix(validator.address)

    tester = person("bias_tester")
    tester.goes_to(run)
    tester.clicks("Compute bias report")
    tester.waits_for("Locked limits")
    tester.looks("bias-report")
    report = tester.page.url.removeprefix(tester.address)
    tester.clicks("Record remediation or feedback")
    tester.fills(text="The sites agree with the groups.", reason="Asked at the site meeting")
    tester.clicks("Record it", role="button")
    tester.sees("The sites agree with the groups.")
    tester.clicks("Sign bias report")
    tester.looks("sign-bias-report")
    tester.signs()
    tester.has_signed()
    tester.goes_to(report)
    tester.sees("I have reviewed this record.")

    verified(world, version)
    handed_in(world, version)
    probes = locked_probes(world, version.plans.get(), **lenient())
    validator.goes_to(f"/probe-plans/{probes.number}/")
    validator.looks("probe-plan")
    request_report(world.validator, probes.pk)
    validator.goes_to("/probes/1/")
    validator.waits_for("Within limits")
    validator.looks("probe-report")
    for page in (f"{release}verification/", f"{release}robustness/"):
        validator.goes_to(page)
        validator.looks(f"section-{page.split('/')[-2]}")

    owner.goes_to(release)
    owner.looks("release-before-gate")
    review = trail_is_reviewed(owner, approver, compliance, release)
    owner.goes_to(release)
    owner.clicks("Open release gate")
    expect(owner.page.locator("#gate")).to_contain_text("opened")
    # The trail is verified by the worker; the box asks again by itself.
    approver.goes_to(release)
    expect(approver.page.locator("#gate")).not_to_contain_text("Running", timeout=EVIDENCE_MS)
    approver.looks("release-open")
    for who in (approver, owner, compliance):
        who.goes_to("/work/")
        who.looks("work-waiting")
        who.page.get_by_role("link", name=re.compile("^Review and sign.*potency")).first.click()
        who.looks("sign-gate")
        who.signs()
        who.has_signed()
    version.refresh_from_db()
    assert version.state == "released"
    owner.goes_to(release)
    owner.sees("Released")
    owner.goes_to(review)
    owner.sees("Current: no act has come since that it would have to cover.")
    owner.goes_to(release)
    owner.looks("release-released")
    for section in ("intended-use", "data", "validation", "fairness", "lineage", "people"):
        owner.goes_to(f"{release}{section}/")
        owner.looks(f"section-{section}")

    compliance.goes_to(release)
    compliance.clicks("Inspection pack")
    compliance.fills(purpose="Annual inspection")
    compliance.looks("pack-request")
    compliance.clicks("Build inspection pack", role="button")
    compliance.waits_for("SHA-256 of the file", patience=120_000)
    compliance.looks("pack")
    pack = compliance.page.url.removeprefix(compliance.address)

    inspector = person("inspector")
    inspector.goes_to(pack)
    shown = inspector.page.locator(
        "#pack-state dt:has-text('SHA-256 of the file') + dd button"
    ).get_attribute("data-copy")
    taken = inspector.downloads("Download the pack")
    with zipfile.ZipFile(taken.path()) as copy:
        sheets = [name for name in copy.namelist() if name.startswith("COVER-")]
        (pdf,) = (copy.read(name) for name in copy.namelist() if name not in sheets)
        assert {name.rpartition(".")[2] for name in sheets} == {"pdf", "json"}
    assert f"sha256:{hashlib.sha256(pdf).hexdigest()}" == shown
    inspector.goes_to(pack)
    inspector.sees("Inspector Person")
    inspector.looks("pack-downloaded")

    inspector.goes_to("/audit/")
    inspector.looks("audit")
    inspector.goes_to("/audit/?scope=potency")
    inspector.looks("audit-of-model")
    entries = inspector.downloads("CSV")
    with zipfile.ZipFile(entries.path()) as copy:
        name = next(name for name in copy.namelist() if name.endswith(".csv"))
        lines = copy.read(name).decode("utf-8-sig").splitlines()
    assert any("signed the release gate for QA" in line for line in lines)
    assert Entry.objects.filter(act="packs.download_pack", actor_uuid=str(world.inspector.uuid)).count() == 1
    assert Entry.objects.filter(act="access.take_copy", actor_uuid=str(world.inspector.uuid)).count() == 2
    assert Entry.objects.filter(act="trail.export", actor_uuid=str(world.inspector.uuid)).count() == 1
