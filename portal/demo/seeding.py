"""The demo's records, made through the same acts and jobs as anybody's. Every step looks first whether it was done.

The people act one after the other as they would in a year: the jobs they start are worked in this process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.access import acts as access
from apps.access.acts.install import installer
from apps.access.duties import ORGANISATION
from apps.access.models import Assignment
from apps.access.signing import SignatureInput, content_digest, has_valid
from apps.accounts.models import User
from apps.approvals import acts as approvals
from apps.approvals.models import Gate, Slot
from apps.core import blobs
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.datasets import acts as datasets
from apps.datasets.models import Dataset, DatasetVersion
from apps.explanation import acts as explanations
from apps.explanation.models import Report as Explanation
from apps.explanation.queries import RELATED as EXPLAINED
from apps.fairness.acts import record_note, request_report, sign_report
from apps.fairness.models import Report
from apps.packs.acts import request_pack
from apps.packs.models import Pack
from apps.quality import review_acts as trail_reviews
from apps.quality.models import TrailReview
from apps.registry import acts as registry
from apps.registry.inspecting import inspect_artefact
from apps.registry.models import IntendedUse, Model, Version
from apps.validations import acts as validations
from apps.validations.models import Plan, Run
from apps.validations.states import PlanState, RunState
from portal.demo import data as demo_data
from portal.demo import people, story, training
from portal.demo.beside import ask, pipeline
from portal.demo.board import meet
from portal.demo.people import PASSWORD
from portal.demo.probing import probe
from portal.demo.qualification import train_everybody
from portal.demo.verification import require, verify

ZONE = "Europe/Zurich"
# Recorded as if by the developers' repository; the demo has no repository of its own.
COMMITS = {
    "1.0.0": "3f1c9a7d20b4",
    "1.1.0": "8be04d5512fa",
    "1.2.0": "c07d19e6aa31",
    "2.0.0": "51d2f0b7e944",
}
NOTES = {each.version: f"{each.change} Known issues: {each.known_issues}" for each in story.VERSIONS} | {
    "1.2.0": "The model of 1.1.0 saved by skops instead of ONNX, to be rid of the conversion step. Same training data.",
    "2.0.0": "As 1.1.0 with a tighter penalty (C 0.05), for high tier: the flag holds the next dispensing itself.",
}
SLUGS = {"2.0.0": story.HOLD_SLUG}  # the others are of the first model
PARENTS = {"1.1.0": "1.0.0", "1.2.0": "1.1.0", "2.0.0": "1.1.0"}


class NotADemo(Exception):
    """Demo accounts exist under demo settings only."""


@dataclass
class Seeding:
    """One seeding: the people by username, and how to tell what is being done."""

    say: Callable[[str], None]
    folder: Path
    people: dict[str, User] = field(default_factory=dict)

    def run(self) -> None:
        self.install()
        self.accounts()
        self.model_and_dataset()
        self.duties()
        self.train()
        self.data_versions()
        use = self.intended_use()
        require(use, self.people, self.say)
        for label in ("1.0.0", "1.1.0", "1.2.0"):
            self.version(label, use)
        wider = self.wider_use()
        require(wider, self.people, self.say)
        self.version("2.0.0", wider)
        pipeline(self._version("1.1.0"), self.people, self.say)
        ask(self._version("1.2.0"), self.people)
        self.say("Recording the people's training")
        train_everybody(self.people)

    # People

    def install(self) -> None:
        if not Assignment.objects.exists():
            self.say("Installing the organisation")
            first, second = people.by_duty("administrator"), people.by_duty("compliance")
            access.install_organisation(
                installer(), administrator=_account(first), compliance=_account(second)
            )

    def accounts(self) -> None:
        administrator = User.objects.get(username=people.by_duty("administrator").username)
        for person in people.PEOPLE:
            user = User.objects.filter(username=person.username).first()
            if user is None:
                user = access.create_account(
                    administrator,
                    username=person.username,
                    printed_name=person.printed_name,
                    email=person.email,
                    title=person.title,
                    time_zone=ZONE,
                    is_demo=True,
                )
            if not user.has_usable_password():
                user = access.set_password(user, user.pk, password=PASSWORD)
            self.people[person.username] = user
        for person in people.PEOPLE:
            for duty, where in person.duties:
                if where == people.ORGANISATION:
                    self._give(person.username, duty, None)
        for username, user in self.people.items():
            if user.identity_confirmed_at is None:
                made = access.confirm_identity(self.of("compliance"), user.pk, how="document")
                self.people[username] = made

    def _give(self, username: str, duty: str, parent) -> None:
        """A duty requested by one person and approved by another; nothing where it is held already."""
        person = self.people[username]
        kind, pk = (parent.subject_kind, parent.pk) if parent else (ORGANISATION, 0)
        if Assignment.objects.on(kind, pk).active().filter(person=person, duty=duty).exists():
            return
        asked = Assignment.objects.on(kind, pk).filter(person=person, duty=duty, state="requested").first()
        if parent is None:
            if duty == "inspector":
                visit = access.request_inspection(
                    self.of("administrator"),
                    person_id=person.pk,
                    authority="National medicines agency (demo)",
                    everything=True,
                    ends_at=now() + timedelta(days=30),
                    reason="Announced GMP inspection of the release of models",
                )
                access.approve_inspection(self.of("compliance"), visit.pk)
                return
            if asked is None:
                reason = f"Needed as {person.title}"
                asked = access.request_organisation_assignment(
                    self.of("administrator"), person_id=person.pk, duty=duty, reason=reason
                )
            access.approve_organisation_assignment(self.of("compliance"), asked.pk)
            return
        if asked is None:
            asked = access.request_assignment(
                self.of("registrar"),
                person_id=person.pk,
                duty=duty,
                scope_kind=kind,
                scope_id=pk,
                reason=f"Needed as {person.title}",
            )
        approver = self.of("compliance") if duty == "owner" else self.of("owner")
        access.approve_assignment(approver, asked.pk)

    def of(self, duty: str) -> User:
        return self.people[people.by_duty(duty).username]

    def duties(self) -> None:
        models = Model.objects.filter(slug__in=[story.MODEL_SLUG, story.HOLD_SLUG]).order_by("pk")
        dataset = Dataset.objects.get(slug=story.DATASET_SLUG)
        places = {people.MODEL: list(models), people.DATASET: [dataset]}
        owners_first = sorted(
            ((p, d, w) for p in people.PEOPLE for d, w in p.duties), key=lambda each: each[1] != "owner"
        )
        for person, duty, where in owners_first:
            for place in places.get(where, ()):
                self._give(person.username, duty, place)
            if where == people.MODEL and duty in ("developer", "validator"):
                self._give(person.username, duty, dataset)  # they make models from it, and test with it

    # Model and data

    def model_and_dataset(self) -> None:
        owner, registrar = self.of("owner"), self.of("registrar")
        if not Model.objects.filter(slug=story.MODEL_SLUG).exists():
            self.say("Registering model and dataset")
            registry.register_model(
                registrar,
                slug=story.MODEL_SLUG,
                name=story.MODEL_NAME,
                owner_id=owner.pk,
                description=story.INTENDED_USE.purpose,
            )
        if not Model.objects.filter(slug=story.HOLD_SLUG).exists():
            registry.register_model(
                registrar,
                slug=story.HOLD_SLUG,
                name=story.HOLD_NAME,
                owner_id=owner.pk,
                description=story.HOLD_PURPOSE,
            )
        if not Dataset.objects.filter(slug=story.DATASET_SLUG).exists():
            datasets.register_dataset(
                registrar,
                slug=story.DATASET_SLUG,
                name=story.DATASET_NAME,
                owner_id=owner.pk,
                description="Patients of a clinical trial with their state at week 20 and progression by day 900.",
            )

    def train(self) -> None:
        self.say("Training the demo's models on ACTG 175")
        self.data = demo_data.build(self.folder / "data")
        self.trained = training.train(self.data, self.folder / "models")

    def data_versions(self) -> None:
        curator, steward = self.of("curator"), self.of("steward")
        self.versions = {
            name: self._data_version(curator, partition, getattr(self.data, name))
            for name, partition in (("train_first", "train"), ("train", "train"), ("tune", "tune"))
        }
        self.versions["test"] = self._data_version(steward, "test", self.data.test)

    def _data_version(self, user: User, partition: str, path: Path) -> DatasetVersion:
        dataset = Dataset.objects.get(slug=story.DATASET_SLUG)
        test = partition == "test"
        with path.open("rb") as stream:
            blob = blobs.put(stream, area="vault" if test else "files")
        known = DatasetVersion.objects.filter(dataset=dataset, file_digest=blob.digest).first()
        if known is None:
            self.say(f"Taking in {path.name}")
            given = {
                "file_digest": blob.digest,
                "file_name": path.name,
                "source": "ACTG 175, as published with the Python package lifelines (MIT licence).",
                "collection": "Randomised trial, 1991 to 1995; patients split once, by patient, before any training.",
                "transformation_commit": "51ab09cc77e0",
                "entity_column": "patient",
            }
            if test:
                known = datasets.upload_test_version(user, dataset.pk, **given)
            else:
                known = datasets.upload_version(user, dataset.pk, partition=partition, **given)
        run_queued()
        known.refresh_from_db()
        return known

    def intended_use(self) -> IntendedUse:
        model = Model.objects.get(slug=story.MODEL_SLUG)
        use = IntendedUse.objects.filter(model=model).order_by("number").first()
        if use is None:
            self.say("Stating the intended use")
            use = registry.write_intended_use(
                self.of("process_expert"), model.pk, given=_use(), reason="First statement of the use"
            )
        self._sign(registry.sign_intended_use_expert, "process_expert", use, "responsibility")
        self._sign(registry.sign_intended_use_owner, "owner", use, "approval")
        return use

    def wider_use(self) -> IntendedUse:
        """The statement of the model of high tier: what it decides is put before a review board."""
        model = Model.objects.get(slug=story.HOLD_SLUG)
        use = IntendedUse.objects.filter(model=model).first()
        if use is None:
            self.say("Stating the wider use")
            use = registry.write_intended_use(
                self.of("process_expert"),
                model.pk,
                given=_use() | story.WIDER_USE,
                reason="The flag shall hold",
            )
        self._sign(registry.sign_intended_use_expert, "process_expert", use, "responsibility")
        self._sign(registry.sign_intended_use_owner, "owner", use, "approval")
        return use

    def _sign(self, act, duty: str, subject, meaning: str) -> None:
        if not has_valid(subject, meaning):
            act(self.of(duty), subject.pk, signature=_signature(subject))

    # Versions

    def _version(self, label: str) -> Version:
        rows = Version.objects.select_related("model", "intended_use")
        return rows.get(model__slug=SLUGS.get(label, story.MODEL_SLUG), label=label)

    def version(self, label: str, use: IntendedUse) -> None:
        model = Model.objects.get(slug=SLUGS.get(label, story.MODEL_SLUG))
        version = Version.objects.filter(model=model, label=label).first()
        if version is None:
            self.say(f"Registering {label}")
            version = self._register(model, label, use)
        version = Version.objects.select_related("model", "intended_use").get(pk=version.pk)
        if version.state == "registered":
            version = registry.freeze(self.of("developer"), version.pk)
        plan = self._plan(version)
        if label == "1.2.0":  # waits for the QA approver: something to do on the first day
            return
        if plan.state == PlanState.AUTHORED:
            plan = validations.sign_plan_approval(self.of("approver"), plan.pk, signature=_signature(plan))
        run = Run.objects.filter(plan=plan).order_by("-number").first()
        if run is None:
            self.say(f"Validating {label}")
            run = validations.start_run(self.of("validator"), plan.pk)
        run_queued()
        run.refresh_from_db()
        if run.state == RunState.DONE and not Report.objects.filter(run=run).exists():
            self.say(f"Computing the bias report of {label}")
            request_report(self.of("bias_tester"), run.pk)
        run_queued()
        self._follow_up(run)
        if label != "1.0.0":  # what is rejected needs no explanation, and no review of its trail
            verify(version, self._made(label), self.data, self.people, self.say)
            self._explain(run)
            probe(version, plan, self._made(label), self.data, self.people, self.say)
            self._review_trail(version)
        if label == "2.0.0":  # waits for its board's conditions, then for signatures
            meet(self._gate(version), self.people, self.say)
            return
        self._decide(version, reject=label == "1.0.0")

    def _follow_up(self, run: Run) -> None:
        """The bias tester signs the report; what the first version's report led to is recorded beside it."""
        report = Report.objects.filter(run=run, state="done").order_by("-number").first()
        if report is None:
            return
        if not has_valid(report, "review"):
            sign_report(self.of("bias_tester"), report.pk, signature=_signature(report))
        for kind, text, reason in story.FOLLOWED_UP.get(run.plan.version.label, ()):
            if not report.notes.filter(kind=kind).exists():
                duty = "developer" if kind == "remediation" else "bias_tester"
                record_note(self.of(duty), report.pk, kind=kind, text=text, reason=reason)

    def _explain(self, run: Run) -> None:
        """What the version rests on, reviewed and signed by the process expert and by quality."""
        if run.state != RunState.DONE:
            return
        if not Explanation.objects.filter(run=run).exists():
            self.say(f"Explaining {run.plan.version.label}")
            explanations.request_report(self.of("validator"), run.pk)
        run_queued()
        expert, approver = self.of("process_expert"), self.of("approver")
        steps: dict[str, Callable[[Explanation], Any]] = {
            "none": lambda found: explanations.write_review(expert, found.pk, **_feature_review(found)),
            "written": lambda found: explanations.sign_review_expert(
                expert, found.pk, signature=_signature(found)
            ),
            "signed": lambda found: explanations.sign_review_quality(
                approver, found.pk, signature=_signature(found)
            ),
        }
        for state, step in steps.items():
            found = Explanation.objects.select_related(*EXPLAINED).filter(run=run).latest("number")
            if found.review_state == state:
                step(found)

    def _review_trail(self, version: Version) -> None:
        """The compliance officer, who has done nothing on the version so far, goes through its trail."""
        if TrailReview.objects.filter(version=version, state="signed").exists():
            return
        self.say(f"Reviewing the audit trail of {version.label}")
        reviewer = self.of("compliance")
        review = TrailReview.objects.filter(version=version, state="open").first()
        if review is None:
            review = trail_reviews.open_trail_review(self.of("owner"), version.pk)
        comment = "Read with the record it is about; in order."
        entries = sorted(review.shown)
        trail_reviews.mark_trail_entries(reviewer, review.pk, entries=entries, comment=comment)
        review = TrailReview.objects.select_related("version__model", "opened_by").get(pk=review.pk)
        trail_reviews.sign_trail_review(reviewer, review.pk, signature=_signature(review))

    def _made(self, label: str) -> training.Trained:
        return self.trained["1.1.0" if label == "1.2.0" else label]

    def _register(self, model: Model, label: str, use: IntendedUse) -> Version:
        made = self._made(label)
        path = made.skops if label == "1.2.0" else made.onnx
        with path.open("rb") as stream:
            artefact = blobs.put(stream)
        lock = blobs.put(
            "\n".join(f"{name}=={number}" for name, number in sorted(made.environment.items())).encode()
        )
        found = inspect_artefact(artefact.digest)
        parent = self._version(PARENTS[label]) if label in PARENTS else None
        return registry.register_version(
            self.of("developer"),
            model.pk,
            label=label,
            intended_use_id=use.pk,
            artefact_digest=artefact.digest,
            artefact_size=artefact.size,
            artefact_name=path.name,
            artefact_format=found["format"],
            interface=found["interface"],
            features=list(made.features),
            code_commit=COMMITS[label],
            environment_digest=lock.digest,
            hyperparameters=made.hyperparameters,
            claimed_metrics=made.claims,
            data_version_ids=[self.versions[made.training].pk, self.versions["tune"].pk],
            author_ids=[self.of("developer").pk],
            parent_id=parent.pk if parent else None,
            note=NOTES[label],
        )

    def _plan(self, version: Version) -> Plan:
        plan = Plan.objects.filter(version=version).exclude(state=PlanState.SUPERSEDED).first()
        if plan is None:
            plan = validations.write_plan(
                self.of("validator"),
                version.pk,
                test_data_id=self.versions["test"].pk,
                label_column="event",
                positive_value="1",
                threshold="0.5",
                group_columns=list(story.FAIRNESS_GROUPS),
                criteria=_criteria(),
                bias_limits=_limits(),
                baselines=[dict(one) for one in story.BASELINES],
                rationale=(
                    "919 patients never seen by the developers, 230 with progression. For women (35 events) the "
                    "95 % interval of recall is about 0.3 wide: enough to show a gap of 0.2 or more."
                ),
            )
        run_queued()
        if plan.state == PlanState.DRAFT:
            plan = validations.sign_plan_author(self.of("validator"), plan.pk, signature=_signature(plan))
        return Plan.objects.select_related("version__model", "version__intended_use").get(pk=plan.pk)

    def _gate(self, version: Version) -> Gate:
        version.refresh_from_db()
        gate = Gate.objects.filter(version=version).first()
        if gate is None:
            self.say(f"Opening the release gate of {version.label}")
            gate = approvals.open_gate(self.of("owner"), version.pk)
        run_queued()
        return gate

    def _decide(self, version: Version, *, reject: bool) -> None:
        gate = self._gate(version)
        if reject:
            self._reject(gate)
            return
        signers = (
            ("approval", "approver", approvals.sign_approval),
            ("responsibility", "owner", approvals.sign_responsibility),
            ("review", "compliance", approvals.sign_review),
        )
        for code, duty, sign in signers:
            slot = Slot.objects.select_related("gate__version__model", "gate__version__intended_use").get(
                gate=gate, code=code
            )
            if slot.state == "wanted":
                sign(self.of(duty), slot.pk, signature=_signature(slot))
        if not Pack.objects.filter(version=version).exists():
            self.say(f"Building the inspection pack of {version.label}")
            request_pack(self.of("compliance"), version.pk, purpose="Release file")
            run_queued()

    def _reject(self, gate: Gate) -> None:
        slot = Slot.objects.select_related("gate__version__model", "gate__version__intended_use").get(
            gate=gate, code="approval"
        )
        if slot.state != "wanted":
            return
        reason = "Recall for women is far below the locked limit. The outcome forms of women must be completed first."
        approvals.sign_approval(
            self.of("approver"), slot.pk, reason=reason, signature=_signature(slot, "rejected")
        )


def _account(person: people.Person) -> dict[str, Any]:
    return {
        "username": person.username,
        "printed_name": person.printed_name,
        "title": person.title,
        "email": person.email,
        "password": PASSWORD,
        "is_demo": True,
        "time_zone": ZONE,
    }


def _signature(subject, decision: str = "approved") -> SignatureInput:
    """What a person enters: the digest they were shown and their password."""
    return SignatureInput(digest=content_digest(subject), password=PASSWORD, decision=decision)


def _use() -> dict[str, Any]:
    said = story.INTENDED_USE
    return {
        "question": f"{said.decision.rstrip('.?')}?",
        "purpose": f"{said.purpose} Output: {said.output} Users: {said.users}",
        "input_space": f"{said.population} {said.input_space}",
        "subgroups": "Sex and race as recorded by the trial; age bands are reported where enough patients are in them.",
        "limits": " ".join(said.limits),
        "misuse": said.not_for,
        "operator_duties": said.human_oversight,
        "gmp_critical": False,
        "gmp_rationale": "The output concerns the care of trial patients, not the making of a product.",
        "affects_people": True,
        "influence": said.influence,
        "influence_rationale": said.influence_reason,
        "consequence": said.consequence,
        "consequence_rationale": said.consequence_reason,
        "residual_risk": " ".join(f"{risk.hazard}: {risk.control}." for risk in story.RISKS),
    }


def _feature_review(report: Explanation) -> dict[str, Any]:
    """Everything plausible, with a reason for the features that lead."""
    return {
        "decisions": {
            each["feature"]: {"decision": "plausible", "reason": story.WHY_PLAUSIBLE.get(each["feature"], "")}
            for each in report.summary["features"]
        },
        "surrogate": {"decision": "plausible", "reason": story.WHY_PLAUSIBLE["surrogate"]},
        "conclusion": story.REVIEW_CONCLUSION,
    }


def _criteria() -> list[dict[str, Any]]:
    out = []
    for number, given in enumerate(story.CRITERIA, start=1):
        where = " and ".join(f"{column}={value}" for column, value in given["subgroup"].items()) or "all"
        out.append({**given, "id": f"C{number}", "subgroup": where, "limit": f"{given['limit']:.2f}"})
    return out


def _limits() -> list[dict[str, Any]]:
    out = []
    for column in story.FAIRNESS_GROUPS:
        for given in story.FAIRNESS_LIMITS:
            out.append(
                {
                    **given,
                    "id": f"F{len(out) + 1}",
                    "column": column,
                    "limit": f"{given['limit']:.2f}",
                    "min_n": story.FAIRNESS_MIN_N,
                }
            )
    return out


def seed(say: Callable[[str], None]) -> None:
    """Make the demo's records, or what is missing of them. Refuses outside demo settings."""
    if not settings.DEMO:
        raise NotADemo(
            "Demo people exist under demo settings only (DJANGO_SETTINGS_MODULE=portal.settings.demo)."
        )
    with tempfile.TemporaryDirectory(prefix="countersign-demo-") as folder:
        Seeding(say, Path(folder)).run()
