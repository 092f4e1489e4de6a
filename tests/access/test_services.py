"""Service accounts: asked for, approved by a third person, bound to their owner's duties, stopped; tokens of theirs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from apps.access import acts, reach
from apps.access.acting import ACTS
from apps.access.actors import Actor
from apps.access.gate import ORGANISATION_SUBJECT, may, visible, would_conflict
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.access.recorded import deeds_of, recorded
from apps.access.rulebook import rules_in_force
from apps.accounts.models import ApiToken
from apps.accounts.services import ServiceAccount
from apps.approvals.acts import open_gate
from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, Refused, WrongState
from apps.core.models import Job
from apps.datasets.acts import upload_version
from apps.datasets.models import Dataset, DatasetVersion
from apps.registry.models import Model, VersionAuthor
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.cast import give
from tests.factories.data import onnx_model, train_csv
from tests.factories.evidence import validated_world
from tests.factories.foundation import PROVENANCE, registered_version
from tests.factories.services import as_service, asked_service, service, service_token

pytestmark = pytest.mark.django_db

ASK, APPROVE = "access.request_service", "access.approve_service"
DECISIONS = {
    "approve",
    "approve_plan",
    "approve_risk",
    "approve_grant",
    "request_grant",
    "review_record",
    "set_criteria",
    "sign_slot",
    "sign_waiver",
    "revoke_waiver",
    "sign_rules",
    "review_access",
}


def token_client(token: ApiToken) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token.secret}")
    return client


# ------------------------------------------------------------ which acts


def test_no_act_that_a_service_may_be_given_signs_decides_or_gives_anything():
    assert set(TABLE) >= reach.PROPOSALS
    for name in reach.PROPOSALS:
        row = TABLE[name]
        assert row.token, name
        assert not any([row.signs, row.service, row.anyone]), name
        assert not row.verbs & DECISIONS, name
        assert not name.startswith(("access.", "accounts.", "trail.")), name


@pytest.mark.parametrize("name", sorted(set(TABLE) - reach.PROPOSALS))
def test_every_other_act_is_refused_to_a_service_before_anything_is_looked_at(name):
    found = reach.refuse_act(reach.Reach(frozenset({"registry.freeze"})), TABLE[name], service=True)
    assert (found.status, found.rule) == (403, "service-never-decides")
    assert "This token is for: Freeze" in found.fact


# ------------------------------------------------------------ asking and approving


def test_a_service_is_asked_for_by_one_person_and_approved_by_another(world):
    made = asked_service(world)
    assert_told(ASK, by=world.colleague, about=made)
    assert reach.standing(made).word == "requested"
    acts.approve_service(world.compliance, made.pk)
    made = ServiceAccount.objects.select_related("owner").get(pk=made.pk)
    assert (made.state, made.approver) == ("approved", world.compliance)
    assert reach.standing(made) == reach.Standing("in force")
    assert_told(APPROVE, by=world.compliance, about=made)
    assert_history(made, act=APPROVE, by=world.compliance)


def test_who_asked_does_not_approve(world):
    made = asked_service(world, by="compliance2")
    with refused(Conflict, "DY17", act=APPROVE, by=world.compliance2):
        acts.approve_service(world.compliance2, made.pk)


def test_an_owner_who_is_compliance_officer_does_not_approve_their_own(world):
    made = asked_service(
        world,
        by="colleague",
        owner="compliance2",
        only_acts=["packs.request_pack"],
    )
    with refused(Conflict, "DY17", act=APPROVE, by=world.compliance2) as caught:
        acts.approve_service(world.compliance2, made.pk)
    assert "answer for" in caught.value.fact
    acts.approve_service(world.compliance, made.pk)


def test_who_may_not_approve_is_refused(world):
    made = asked_service(world)
    with refused(NotAllowed, "duty", act=APPROVE, by=world.author):
        acts.approve_service(world.author, made.pk)
    with refused(NotVisible, "visibility", act=APPROVE, by=world.stranger):
        acts.approve_service(world.stranger, made.pk)
    acts.approve_service(world.compliance, made.pk)
    with refused(WrongState, "service-account-state", act=APPROVE, by=world.compliance):
        acts.approve_service(world.compliance, made.pk)


BAD = {
    "name": ["x", "Upper", "a b", "a" * 41, "новый", "new", "", "a\0b"],
    "purpose": ["", "  ", "x" * 4001, "a\0b"],
    "only_acts": [
        [],
        ["approvals.sign_approval"],
        ["access.create_account"],
        ["no.such"],
        ["validations.start_run"],
        ["datasets.upload_version"],
    ],
    "objects": [
        [],
        [("registry.model", 10**9)],
        [("registry.version", 1)],
        [("organisation", 0), ("registry.model", 1)],
    ],
    "ends_at": [None],
    "owner_id": [0, 10**9],
}


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in BAD.items() for v in values])
def test_bad_input_is_refused_and_nothing_is_made(world, field, value):
    with refused(BadInput, "service-account", act=ASK, by=world.colleague):
        asked_service(world, **{field: value})
    assert not ServiceAccount.objects.exists()


@pytest.mark.parametrize("days", [-1, 0, 4000])
def test_its_end_lies_within_the_longest_time(world, days):
    with refused(BadInput, "service-account", act=ASK, by=world.colleague):
        asked_service(world, ends_at=now() + timedelta(days=days))


def test_nobody_asks_for_a_service_on_what_they_do_not_see(world):
    with refused(BadInput, "service-account", act=ASK, by=world.stranger):
        asked_service(world, by="stranger")
    with refused(BadInput, "service-account", act=ASK, by=world.colleague):
        asked_service(world, objects=[("registry.model", world.other_model.pk)])


def test_an_owner_without_the_duty_lends_nothing(world):
    with refused(BadInput, "service-account", act=ASK, by=world.colleague) as caught:
        asked_service(world, owner="validator")
    assert "holds no duty" in caught.value.fields["owner"][0]


def test_a_name_is_never_given_again(world):
    made = service(world)
    acts.end_service(world.author, made.pk, reason="Replaced")
    with refused(BadInput, "service-account", act=ASK, by=world.colleague):
        asked_service(world)


def test_a_refused_name_may_be_asked_for_anew(world):
    made = asked_service(world)
    with refused(NotAllowed, "duty", act="access.refuse_service", by=world.author):
        acts.refuse_service(world.author, made.pk, reason="No")
    acts.refuse_service(world.administrator, made.pk, reason="Ask for less")
    assert_told("access.refuse_service", by=world.administrator, about=made, reason="Ask for less")
    with refused(WrongState, "service-account-state", act="access.refuse_service", by=world.compliance):
        acts.refuse_service(world.compliance, made.pk, reason="Again")
    assert asked_service(world).pk != made.pk


# ------------------------------------------------------------ what it does


@pytest.mark.evidence("frozen")
def test_what_a_service_does_its_owner_did(world):
    """Its owner is the declared author, and what separation refuses to who developed it refuses to the owner."""
    evidence = validated_world(world, until="frozen")
    made = service(world, by="author", owner="colleague")
    world.people["pipeline"] = as_service(service_token(world, made))
    features = evidence.version.features
    version = registered_version(
        world,
        label="9.9.9",
        artefact=blobs.put(onnx_model("by a pipeline")),
        features=features,
        train=evidence.train,
        use=evidence.use,
        by="pipeline",
    )
    assert {row.person for row in VersionAuthor.objects.filter(version=version)} == {
        world.author,
        world.colleague,
    }
    entry = last("registry.register_version")
    assert (entry.actor_uuid, entry.actor_name) == (
        str(world.colleague.uuid),
        "Colleague Person, by service lotx-ci",
    )
    assert body_of(entry)["facts"]["service"] == "lotx-ci"
    assert version.history.latest().history_user_id == world.colleague.pk
    deeds = {
        deed.person for deed in deeds_of(rules_in_force(), recorded([("registry.version", str(version.pk))]))
    }
    assert str(world.colleague.uuid) in deeds
    assert would_conflict(world.colleague, frozenset({"approve"}), version).rule.id == "DY2"


def test_a_service_of_a_bare_owner_does_nothing_its_owner_may_not(world):
    """The owner's duty ends: the service is suspended and says so; the duty comes back: so does the service."""
    made = service(world)
    token = service_token(world, made)
    duty = Assignment.objects.get(person=world.author, duty="developer", scope_kind="registry.model")
    acts.end_assignment(world.owner, duty.pk, reason="Moved on")
    found = reach.standing(made)
    assert found.word == "suspended"
    assert "Author Person no longer holds a duty for “Open release gate” on model lotx" in found.why
    assert reach.refuse_standing(made).status == 403
    with pytest.raises(NotAllowed, match="cannot be used: it is suspended"):
        open_gate(as_service(token), 1)
    give(world, "author", "developer", world.model)
    assert reach.standing(made).stands


def test_a_leaver_takes_their_services_along(world):
    made = service(world)
    token = service_token(world, made)
    acts.deactivate_account(world.administrator, world.author.pk, reason="Left")
    made = ServiceAccount.objects.select_related("owner").get(pk=made.pk)
    standing = reach.standing(made)
    assert (standing.word, standing.stands) == ("ended", False)
    assert (made.ended_by, made.end_reason) == (world.administrator, "Left")
    assert token_client(token).get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("change", ["not begun", "run out"])
def test_before_its_start_and_after_its_end_it_does_nothing(world, change):
    start = now() + timedelta(days=2) if change == "not begun" else now()
    made = service(world, starts_at=start)
    if change == "run out":
        made.ends_at = now()
        assert reach.standing(made).word == change
        return
    assert reach.standing(made).word == change
    with refused(WrongState, "service-account-state", act="access.create_service_token", by=world.author):
        service_token(world, made)


def test_it_sees_the_objects_of_its_scope_and_nothing_of_its_owner(world):
    give(world, "author", "developer", world.other_model, by="other_owner")
    token = service_token(world, service(world))
    actor = as_service(token)
    assert set(visible(world.author, Model)) == {world.model, world.other_model}
    assert set(visible(actor, Model)) == {world.model}
    assert not visible(actor, ApiToken).exists()
    assert visible(world.author, ApiToken).get() == token
    assert not set(visible(actor, Dataset))
    client = token_client(token)
    assert client.get("/api/v1/models/lotx").status_code == 200
    answer = client.get("/api/v1/models/visc")
    assert answer.status_code == 404
    assert "This token is for" in answer.json()["fact"]
    assert client.get("/api/v1/me").json()["service"] == "lotx-ci"
    assert client.get("/api/v1/me/tokens").json()["results"] == []


def test_an_act_outside_its_scope_is_refused_in_four_parts(world):
    client = token_client(service_token(world, service(world)))
    given = {"person": "stranger", "duty": "monitor", "on": "models/lotx", "reason": "x"}
    answer = client.post("/api/v1/assignments", given)
    said = answer.json()
    assert (answer.status_code, said["rule"]) == (403, "service-never-decides")
    assert said["fact"] == "This token is for: Register version, Freeze, Open release gate; on model lotx."
    assert said["what"]
    assert said["eligible"]
    assert body_of(last("access.request_assignment", "refusal"))["facts"]["service"] == "lotx-ci"


# ------------------------------------------------------------ stopping


@pytest.mark.parametrize("by", ["author", "compliance", "administrator"])
def test_who_answers_for_it_stops_it_and_an_officer_lets_it_go_on(world, by):
    made = service(world)
    token = service_token(world, made)
    acts.suspend_service(world.people[by], made.pk, reason="It misbehaves")
    assert_told("access.suspend_service", by=world.people[by], about=made, reason="It misbehaves")
    answer = token_client(token).get("/api/v1/me")
    assert (answer.status_code, answer.json()["fact"]) == (403, "It was suspended: It misbehaves")
    with refused(NotAllowed, "duty", act="access.resume_service", by=world.author):
        acts.resume_service(world.author, made.pk, reason="Mended")
    acts.resume_service(world.compliance2, made.pk, reason="Mended")
    assert token_client(token).get("/api/v1/me").status_code == 200
    with refused(WrongState, "service-account-state", act="access.resume_service", by=world.compliance):
        acts.resume_service(world.compliance, made.pk, reason="Mended")


@pytest.mark.parametrize("verb", ["suspend_service", "end_service"])
def test_who_only_asked_for_it_does_not_stop_it(world, verb):
    made = service(world)
    with refused(NotAllowed, "service-account", act=f"access.{verb}", by=world.colleague) as caught:
        getattr(acts, verb)(world.colleague, made.pk, reason="No")
    assert "Author Person" in caught.value.who
    with refused(NotVisible, "visibility", act=f"access.{verb}", by=world.stranger):
        getattr(acts, verb)(world.stranger, made.pk, reason="No")


def test_its_end_ends_its_tokens(world):
    made = service(world)
    token = service_token(world, made)
    acts.end_service(world.author, made.pk, reason="Retired")
    assert_told("access.end_service", by=world.author, about=made, reason="Retired")
    token.refresh_from_db()
    assert token.ended_at is not None
    assert token_client(token).get("/api/v1/me").status_code == 401
    with refused(WrongState, "service-account-state", act="access.end_service", by=world.author):
        acts.end_service(world.author, made.pk, reason="Again")


# ------------------------------------------------------------ tokens


def test_the_owner_alone_makes_its_tokens_and_they_end_with_it(world):
    made = service(world, ends_at=now() + timedelta(days=20))
    token = service_token(world, made, days=60)
    assert token.secret.startswith("cs_")
    assert token.expires_at == made.ends_at
    for by in ("colleague", "compliance"):
        with refused(NotAllowed, "service-account", act="access.create_service_token", by=world.people[by]):
            acts.create_service_token(world.people[by], made.pk, name="mine")
    entry = last("access.create_service_token")
    assert token.secret not in entry.body
    assert token.secret not in str(list(ApiToken.objects.values()))


@pytest.mark.parametrize(
    "given",
    [
        {"days": 0},
        {"days": 91},
        {"name": " "},
        {"only_acts": ["validations.start_run"]},
        {"only_acts": ["approvals.sign_approval"]},
        {"objects": [("registry.model", 10**9)]},
        {"objects": [("datasets.dataset", 1)]},
    ],
)
def test_a_token_of_a_service_is_never_for_more_than_the_service(world, given):
    made = service(world)
    with refused(BadInput, "input", act="access.create_service_token", by=world.author):
        service_token(world, made, **given)


def test_a_personal_token_narrowed_to_an_act_and_a_model_does_that_alone(world):
    give(world, "author", "developer", world.other_model, by="other_owner")
    token = acts.create_token(
        world.author, name="ci", only_acts=["registry.freeze"], objects=[("registry.model", world.model.pk)]
    )
    actor = Actor.of(world.author, "api", token=ApiToken.objects.select_related("narrowed").get(pk=token.pk))
    assert set(visible(actor, Model)) == {world.model}
    verdict = may(actor, "registry.register_version", world.model)
    assert (verdict.status, verdict.rule) == (403, "token-scope")
    assert verdict.fact == "This token is for: Freeze; on model lotx."
    whole = acts.create_token(world.author, name="all")
    assert (
        may(Actor.of(world.author, "api", token=whole), "registry.register_version", world.model).status
        != 403
    )
    for bad in ({"only_acts": ["access.sign_in"]}, {"objects": [("registry.model", 10**9)]}):
        with refused(BadInput, "input", act="access.create_token", by=world.author):
            acts.create_token(world.author, name="x", **bad)


@pytest.mark.parametrize("person", ["author", "registrar"])
def test_a_narrowed_token_reads_the_trail_of_its_objects_and_not_of_its_owner(world, person):
    """Neither sign-ins and factors of the owner, nor their acts on other models."""
    owner = world.people[person]
    token = acts.create_token(owner, name="ci", objects=[("registry.model", world.model.pk)])
    seen = token_client(token).get("/api/v1/trail", {"page_size": 100})
    assert seen.status_code == 200, seen.content
    assert {row["scope"] for row in seen.json()["results"]} == {world.model.scope}
    whole = acts.create_token(owner, name="all")
    scopes = {row["scope"] for row in token_client(whole).get("/api/v1/trail").json()["results"]}
    assert "organisation:0" in scopes


def test_an_organisation_act_is_outside_a_token_for_a_model(world):
    token = acts.create_token(world.registrar, name="ci", objects=[("registry.model", world.model.pk)])
    actor = Actor.of(world.registrar, "api", token=ApiToken.objects.get(pk=token.pk))
    assert set(visible(actor, Model)) == {world.model}
    verdict = may(actor, "registry.register_model", ORGANISATION_SUBJECT)
    assert (verdict.status, verdict.rule) == (403, "token-scope")


def test_a_new_secret_leaves_the_old_one_some_hours(world):
    made = service(world)
    old = service_token(world, made, only_acts=["registry.freeze"])
    new = acts.rotate_token(world.author, old.pk, overlap_hours=2)
    assert_told("access.rotate_token", by=world.author, about=new, wrote=3)
    old.refresh_from_db()
    assert timedelta(hours=1, minutes=59) < old.expires_at - now() <= timedelta(hours=2)
    for token in (old, new):
        assert token_client(token).get("/api/v1/me").status_code == 200
    assert reach.reach_of(as_service(new).token).acts == {"registry.freeze"}
    with refused(WrongState, "token-state", act="access.rotate_token", by=world.author):
        acts.rotate_token(world.author, old.pk)
    with refused(BadInput, "input", act="access.rotate_token", by=world.author):
        acts.rotate_token(world.author, new.pk, overlap_hours=73)
    with refused(NotVisible, "visibility", act="access.rotate_token", by=world.colleague):
        acts.rotate_token(world.colleague, new.pk)
    at_once = acts.rotate_token(world.author, new.pk, overlap_hours=0)
    assert token_client(new).get("/api/v1/me").status_code == 401
    assert token_client(at_once).get("/api/v1/me").status_code == 200


def test_a_changed_password_ends_ones_own_tokens_and_not_those_of_a_service(world):
    mine, theirs = acts.create_token(world.author, name="mine"), service_token(world, service(world))
    acts.set_password(world.author, world.author.pk, password="another good long phrase")
    assert ApiToken.objects.get(pk=mine.pk).ended_at is not None
    assert ApiToken.objects.get(pk=theirs.pk).ended_at is None


def test_a_reset_ends_the_tokens_its_owner_made_by_hand_for_a_service(world):
    """Whoever knew the password could have made them."""
    theirs = service_token(world, service(world))
    asked = acts.request_reset(world.administrator, world.author.pk, what="password", reason="Stolen")
    acts.approve_reset(world.compliance2, asked.pk, reason="Called back")
    assert ApiToken.objects.get(pk=theirs.pk).ended_at is not None


# ------------------------------------------------------------ ended while a call is under way


@pytest.mark.parametrize("how", ["token", "service", "owner", "suspended"])
def test_an_upload_that_outlives_its_token_stores_nothing(world, how):
    """The caller was let in; before the act at the end of the upload everything is asked anew."""
    made = service(
        world,
        by="author",
        owner="curator",
        only_acts=["datasets.upload_version"],
        objects=[("datasets.dataset", world.dataset.pk)],
    )
    token = service_token(world, made)
    actor = as_service(token)
    blob = blobs.put(train_csv())
    {
        "token": lambda: acts.end_token(world.curator, token.pk),
        "service": lambda: acts.end_service(world.compliance, made.pk, reason="Found on a public runner"),
        "owner": lambda: acts.deactivate_account(world.administrator, world.curator.pk, reason="Left"),
        "suspended": lambda: acts.suspend_service(world.compliance, made.pk, reason="Looked into"),
    }[how]()
    before = (DatasetVersion.objects.count(), Job.objects.count())
    act = "datasets.upload_version"
    given = {"file_digest": blob.digest, "file_name": "train.csv", **PROVENANCE}
    rule = "service-account" if how == "suspended" else "token"
    with pytest.raises(Refused) as caught:
        upload_version(actor, world.dataset.pk, partition="train", **given)
    assert (caught.value.rule, caught.value.status) == (rule, 401 if rule == "token" else 403)
    assert caught.value.fact
    assert caught.value.who
    assert (DatasetVersion.objects.count(), Job.objects.count()) == before
    entry = last(act, "refusal")
    assert (entry.subject_kind, entry.subject_id) == ("datasets.dataset", str(world.dataset.pk))
    assert body_of(entry)["facts"]["service"] == "lotx-ci"
    assert may(actor, act, world.dataset).status in (401, 403)


def test_every_act_has_its_five_ways():
    """Named here so that a new act of this part is not forgotten."""
    mine = {name for name in ACTS if TABLE[name].subject in ("accounts.service", "accounts.trust")}
    assert mine == {
        "access.approve_service",
        "access.refuse_service",
        "access.suspend_service",
        "access.resume_service",
        "access.end_service",
        "access.create_service_token",
        "access.request_trust",
        "access.approve_trust",
        "access.refuse_trust",
        "access.end_trust",
        "access.issue_ci_token",
    }
