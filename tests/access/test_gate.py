"""The gate: exactly who sees what, who may do what, and that all its answers agree."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from apps.access import gate
from apps.access.acting import ACTS
from apps.access.acts import create_token, request_assignment
from apps.access.facts import facts_of
from apps.access.models import Assignment
from apps.access.policy import TABLE, policy
from apps.access.separation import Deed, conflicts_found
from apps.access.sharing import shared
from apps.accounts.models import ApiToken, Lockout, User
from apps.approvals.acts import open_gate
from apps.approvals.models import Gate, Slot
from apps.core import registries
from apps.core.errors import NotVisible, Refused
from apps.core.jobs import run_queued
from apps.datasets.models import Dataset, DatasetVersion
from apps.fairness.acts import request_report
from apps.fairness.models import Report
from apps.packs.acts import request_pack
from apps.packs.models import Pack
from apps.quality.acts import open_deviation
from apps.quality.models import Deviation
from apps.registry.acts import add_author
from apps.registry.models import Model, Version
from apps.validations.acts import start_run
from apps.validations.models import Plan, Run
from tests.access.people import crowd
from tests.cast import EVERYBODY, MODEL_CAST, World, give
from tests.factories.data import table_csv
from tests.factories.evidence import validated_world
from tests.factories.foundation import data_version

pytestmark = pytest.mark.django_db

EVIDENCE = (Version, DatasetVersion, Plan, Run, Report, Deviation, Gate, Slot, Pack)
ALL = (Model, Dataset, *EVIDENCE, Assignment, User, ApiToken)
SEE_ALL = {"compliance", "compliance2", "inspector", "registrar"}
ON_MODEL = set(MODEL_CAST)
ON_DATASET = {"curator", "steward", "author", "colleague", "validator", "owner"}
TWIN_ON_MODEL = {
    f"twin_{name}" for name in ("author", "validator", "bias_tester", "approver", "process_expert")
}
TWIN_ON_MODEL |= {"other_owner", "other_developer"}
TWIN_ON_DATASET = {"twin_curator", "twin_steward", "twin_author", "twin_validator", "other_owner"}
OFFERS_QUERIES, ELIGIBLE_QUERIES = (
    10,
    8,
)  # of a version with a locked plan; one: who approved its requirements (DY9)


def twin(world: World) -> World:
    """People of their own on the other model and dataset: what they make must show nowhere else."""
    cast = {
        "author": "developer",
        "validator": "validator",
        "bias_tester": "bias_tester",
        "approver": "approver",
        "process_expert": "process_expert",
    }
    crowd(world, [f"twin_{name}" for name in (*cast, "curator", "steward")])
    for name, duty in cast.items():
        give(world, f"twin_{name}", duty, world.other_model, by="other_owner")
    for name in ("curator", "steward", "author", "validator"):
        give(world, f"twin_{name}", cast.get(name, name), world.other_dataset, by="other_owner")
    people = {name: world.people.get(f"twin_{name}", person) for name, person in world.people.items()}
    return World(
        people={**people, "owner": world.other_owner}, model=world.other_model, dataset=world.other_dataset
    )


def whole(world: World, **given) -> None:
    """Every kind of record of one version, and a dataset version no model is made of."""
    evidence = validated_world(world, **given)
    data_version(world, "tune", table_csv(world.model.pk + 50, 60))
    open_deviation(world.validator, evidence.version.pk, title="A finding", description="Found")
    open_gate(world.owner, evidence.version.pk)
    request_pack(world.owner, evidence.version.pk, purpose="Inspection")


def ids(model, person) -> set[int]:
    return set(gate.visible(person, model).values_list("pk", flat=True))


def of_model(model, parent: Model) -> set[int]:
    path = {
        Model: "pk",
        Version: "model",
        Plan: "version__model",
        Run: "plan__version__model",
        Report: "run__plan__version__model",
        Deviation: "version__model",
        Gate: "version__model",
        Slot: "gate__version__model",
        Pack: "version__model",
    }[model]
    return set(model.objects.filter(**{path: parent.pk}).values_list("pk", flat=True))


def expected(model, person: User, parent: Model, data: Dataset, on_model: bool, on_data: bool) -> set[int]:
    """What a person sees who has a duty on the model, on its dataset, on both or on neither."""
    if model is Dataset:
        return {data.pk} if on_model or on_data else set()
    if model is DatasetVersion:
        if not (on_model or on_data):
            return set()
        unused = () if on_data else ("tune",)
        seen = DatasetVersion.objects.filter(dataset=data).exclude(partition__in=unused)
        return set(seen.values_list("pk", flat=True))
    if model is Assignment:
        seen = Q(person=person)
        seen |= Q(scope_kind="registry.model", scope_id=parent.pk) if on_model else Q()
        seen |= Q(scope_kind="datasets.dataset", scope_id=data.pk) if on_data else Q()
        return set(Assignment.objects.filter(seen).values_list("pk", flat=True))
    if model is User:
        return {person.pk}
    if model is ApiToken:
        return set(ApiToken.objects.filter(owner=person).values_list("pk", flat=True))
    return of_model(model, parent) if on_model else set()


@pytest.mark.long
def test_every_person_sees_exactly_what_is_theirs(world):
    """Two whole worlds side by side; the second could leak into every register of the first."""
    other = twin(world)
    whole(world)
    whole(other, train=table_csv(31, 300), test=table_csv(37, 400, first_patient=20_001))
    for name in ("author", "curator", "twin_author", "stranger"):
        create_token(world.people[name], name="ci")
    for model in ALL:
        assert model.objects.count() >= 2, f"{model.__name__}: nothing that could leak"
    ends = {model: (model.objects.earliest("pk"), model.objects.latest("pk")) for model in ALL}
    sides = (
        (world.model, world.dataset, ON_MODEL, ON_DATASET),
        (world.other_model, world.other_dataset, TWIN_ON_MODEL, TWIN_ON_DATASET),
    )
    # Everybody on SQLite; every third on the other database, whose queries differ in dialect alone.
    asking = list(world.people.items())[:: 1 if connection.vendor == "sqlite" else 3]
    with shared():
        for name, person in asking:
            for model in ALL:
                seen = ids(model, person)
                for row in ends[model]:
                    assert gate.is_visible(person, row) == (row.pk in seen), (name, row)
                if name in SEE_ALL and not (model is ApiToken and name not in ("compliance", "compliance2")):
                    assert seen == set(model.objects.values_list("pk", flat=True)), (name, model)
                    continue
                wanted = set()
                for parent, data, on_model, on_data in sides:
                    wanted |= expected(model, person, parent, data, name in on_model, name in on_data)
                if name == "administrator" and model is User:
                    wanted = set(User.objects.values_list("pk", flat=True))
                if name == "administrator" and model is Assignment:
                    wanted = set(
                        Assignment.objects.filter(scope_kind="organisation").values_list("pk", flat=True)
                    )
                assert seen == wanted, (name, model)


@pytest.mark.evidence("frozen")
def test_one_record_is_found_in_one_query(world):
    """A list asks first who sees everything; who looks for one record is asked in the same query."""
    version = validated_world(world, until="frozen").version
    for name in ("author", "inspector", "stranger", "administrator"):
        with CaptureQueriesContext(connection) as queries:
            try:
                found = gate.visible_one(world.people[name], Version, pk=version.pk)
            except NotVisible:
                found = None
        assert (found, len(queries)) == (version if name in ("author", "inspector") else None, 1), name


@pytest.mark.evidence("frozen")
def test_what_cannot_be_seen_is_neither_offered_nor_judged(world):
    evidence = validated_world(world, until="frozen")
    for name in ("stranger", "administrator", "other_owner", "other_developer"):
        person = world.people[name]
        assert gate.offers(person, evidence.version) == []
        for row in TABLE.values():
            if row.subject == "registry.version" and not row.service:
                verdict = gate.may(person, row.act, evidence.version)
                assert (verdict.allowed, verdict.status, verdict.who) == (False, 404, ())


def records(world: World) -> list:
    evidence = validated_world(world)
    made = open_gate(world.owner, evidence.version.pk)
    run_queued()
    asked = request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="x",
    )
    found = [evidence.version, evidence.plan, evidence.run, evidence.report, evidence.use, evidence.test]
    return [*found, world.model, world.dataset, made, *made.slots.all(), asked]


@pytest.mark.long
def test_the_gates_answers_agree(world):
    """offers, may, eligible and who tell the same of every record and person."""
    judged = 0
    for record in records(world):
        with shared():
            able = {
                row.act: gate.eligible(row.act, record)
                for row in TABLE.values()
                if row.subject == record.subject_kind and row.offered and not row.service
            }
            for name in EVERYBODY:
                person = world.people[name]
                sees = gate.is_visible(person, record)
                offered = {v.act: v for v in gate.offers(person, record)}
                assert set(offered) == (set(able) if sees else set())
                for act, verdict in offered.items():
                    assert gate.may(person, act, record) == verdict
                    personal = verdict.rule.startswith(("duty", "DY", "PC07"))
                    assert (person in able[act]) == (not personal), (name, act, verdict)
                    assert person.printed_name not in verdict.who or not personal
                    assert verdict.allowed or (verdict.what and verdict.rule), verdict
                    assert not personal or (verdict.fact and verdict.who), verdict
                    judged += 1
            for act, people in able.items():
                blind = [each.username for each in people if not gate.is_visible(each, record)]
                assert blind == [], f"{act}: nobody is named who cannot see {record.ref}"
    assert judged > 300


CALLS = {
    "validations.start_run": lambda who, e: start_run(who, e.plan.pk),
    "fairness.request_report": lambda who, e: request_report(who, e.run.pk),
    "quality.open_deviation": lambda who, e: open_deviation(who, e.version.pk, title="x", description="y"),
    "packs.request_pack": lambda who, e: request_pack(who, e.version.pk, purpose="x"),
    "approvals.open_gate": lambda who, e: open_gate(who, e.version.pk),
    "registry.add_author": lambda who, e: add_author(
        who, e.version.pk, person_id=e.world.colleague.pk, reason="x"
    ),
}


@pytest.mark.evidence("run")
def test_the_acts_do_what_the_gate_says(world):
    """For every person: what `may` refuses the act refuses in the same words, and what it allows is done."""
    evidence = validated_world(world, until="run")
    subjects = {"validations.plan": evidence.plan, "validations.run": evidence.run}
    for act, call in CALLS.items():
        subject = subjects.get(policy(act).subject, evidence.version)
        verdicts = {name: gate.may(world.people[name], act, subject) for name in EVERYBODY}
        for name, verdict in verdicts.items():
            if not verdict.allowed:
                with pytest.raises(Refused) as caught:
                    call(world.people[name], evidence)
                error = caught.value
                assert (error.what, error.fact, error.rule, error.who, error.status) == (
                    verdict.what,
                    verdict.fact,
                    verdict.rule,
                    verdict.who,
                    verdict.status,
                ), (act, name)
        doers = [name for name, verdict in verdicts.items() if verdict.allowed]
        assert doers, act
        call(world.people[doers[0]], evidence)


@pytest.mark.parametrize(("act", "number"), [("offers", OFFERS_QUERIES), ("eligible", ELIGIBLE_QUERIES)])
@pytest.mark.evidence("locked")
def test_queries_do_not_grow_with_the_people(world, act, number):
    evidence = validated_world(world, until="locked")

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries, shared():
            if act == "offers":
                gate.offers(world.owner, evidence.version)
            else:
                gate.eligible("quality.open_deviation", evidence.version)
        return len(queries)

    for count, so_far in ((3, 0), (30, 3)):
        names = [f"more_{i}" for i in range(so_far, count)]
        crowd(world, names)
        for name in names:
            give(world, name, "monitor", world.model)
        assert len(gate.eligible("quality.open_deviation", evidence.version)) >= count
        asked()  # what Django remembers for the whole process is remembered now
        assert asked() == number


@pytest.mark.evidence("frozen")
def test_a_superuser_holds_nothing(world):
    evidence = validated_world(world, until="frozen")
    User.objects.filter(pk=world.stranger.pk).update(is_superuser=True)
    person = User.objects.get(pk=world.stranger.pk)
    assert person.is_superuser
    for model in (Model, Dataset, Version, DatasetVersion, Assignment):
        assert not gate.visible(person, model).exists()
    for row in TABLE.values():
        if row.subject == "registry.version" and not row.service:
            assert not gate.may(person, row.act, evidence.version).allowed
            assert person not in gate.eligible(row.act, evidence.version)
        if row.subject == "organisation" and not row.service and not row.anyone:
            assert gate.may(person, row.act, gate.ORGANISATION_SUBJECT).rule == "duty"


def test_the_unregistered_is_an_error_and_never_an_answer(world):
    with pytest.raises(LookupError, match=r"no visibility is registered for accounts\.Lockout"):
        gate.visible(world.owner, Lockout)
    for ask in (
        lambda: gate.may(world.owner, "registry.paint", world.model),
        lambda: gate.eligible("registry.paint", world.model),
        lambda: gate.may(world.owner, "registry.freeze", world.model),
        lambda: facts_of(Unknown()),
        lambda: gate.offers(world.owner, Unknown()),
    ):
        with pytest.raises(LookupError):
            ask()


class Unknown:
    subject_kind, pk, ref = "tests.unknown", 1, "X-1"

    class _meta:  # noqa: N801
        label = "tests.Unknown"

    class _default_manager:  # noqa: N801
        @staticmethod
        def all():
            return Model.objects.none()


def test_every_act_of_the_table_is_written_and_stands_on_registered_facts():
    portal = {name for name in ACTS if not name.startswith("tests.")}
    assert portal == set(TABLE)
    kinds = {row.subject for row in TABLE.values()} - {"*", ""}
    assert {kind for kind in kinds if kind not in registries.facts} == set()


@pytest.mark.evidence("reported")
def test_the_recomputation_sees_one_person_in_two_slots(world):
    """DY20 is counted again over the slots of the version's newest gate, not only refused at signing."""
    evidence = validated_world(world)
    made = open_gate(world.owner, evidence.version.pk)
    slots = {("approvals.slot", str(pk)) for pk in made.slots.values_list("pk", flat=True)}
    closures = facts_of(evidence.version).closures
    assert closures["siblings"] == slots
    assert len(slots) >= 2
    twice = [Deed("p", "sign_slot", kind, pk, "signed") for kind, pk in sorted(slots)[:2]]
    found = conflicts_found(gate.rules_in_force(), closures, twice)
    assert [rule.id for rule, *_ in found] == ["DY20"]
