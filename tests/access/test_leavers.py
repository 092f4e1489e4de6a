"""A leaver in one act: what it ends, what it blocks, who could take it, and what stays for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext, override_settings

from apps.access import acts
from apps.access.actors import Actor
from apps.access.gate import may
from apps.access.leaving import leaving
from apps.access.leftovers import held_by
from apps.access.models import Assignment, Waiver
from apps.accounts.models import ApiToken, SignedIn, User
from apps.approvals.acts import open_gate
from apps.approvals.leavers import waiting_for, waiting_told
from apps.core.clock import now
from apps.core.errors import BadInput, WrongState
from apps.datasets.grants import ReadGrant
from apps.datasets.sensitive_acts import grant_read, mark_sensitive, request_read
from apps.trail.current import opened
from apps.trail.models import Signature
from tests.access.people import crowd
from tests.access.telling import assert_told, body_of, last, refused
from tests.access.test_inspections import opened as inspected
from tests.access.test_waivers import granted
from tests.approvals.boards import founded
from tests.cast import give
from tests.datasets.test_acts import uploaded
from tests.factories.doors import browser, session_api, text_of
from tests.factories.evidence import validated_world
from tests.factories.services import as_service, service, service_token, trust
from tests.house.matrix_security import PROVIDER

pytestmark = pytest.mark.django_db
LEAVE = "access.deactivate_account"


def leave(world, name: str) -> User:
    person = world.people[name]
    return acts.deactivate_account(world.administrator, person.pk, reason="Left the company")


@pytest.mark.evidence("locked")
def test_everything_ends_in_one_act_and_signatures_stay(world):
    validated_world(world, until="locked")
    acts.create_token(world.validator, name="ci")
    browser(world.validator)
    waiver = granted(world, person="validator", rule="DY8")
    asked = acts.request_assignment(
        world.owner,
        person_id=world.validator.pk,
        duty="process_expert",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Needed",
    )
    signed_before = Signature.objects.filter(signer=world.validator).count()
    gone = leave(world, "validator")
    assert_told(LEAVE, by=world.administrator, about=gone, reason="Left the company", wrote=5)
    facts = body_of(last(LEAVE))["facts"]
    assert asked.ref in facts["ended"]
    assert facts["waivers"] == [waiver.ref]
    assert facts["nobody_holds"] == [
        f"validator on datasets.dataset:{world.dataset.pk}",
        f"validator on registry.model:{world.model.pk}",
    ]
    assert not Assignment.objects.filter(person=gone, state__in=["requested", "approved"]).exists()
    assert not ApiToken.objects.filter(owner=gone, ended_at=None).exists()
    assert not SignedIn.objects.filter(user=gone, ended_at=None).exists()
    assert Waiver.objects.get(pk=waiver.pk).word == "Revoked"
    assert Signature.objects.filter(signer=gone).count() == signed_before > 0
    assert not world.model.modeluserpermission_set.filter(user=gone).exists()


@pytest.mark.evidence("reported")
def test_what_it_would_block_is_told_before(world):
    evidence = validated_world(world)
    open_gate(world.owner, evidence.version.pk)
    told = leaving(world.owner)
    by_place = {(each.assignment.scope_kind, each.word): each for each in told.held}
    owner = by_place["registry.model", "owner"]
    assert (owner.others, owner.stuck) == (0, True)
    assert not owner.takers.nobody
    assert {w.label for w in waiting_for(world.owner)} == {"accept residual risk"}
    assert [w.others(world.owner) for w in waiting_for(world.owner)] == [()]
    approver = waiting_for(world.approver)
    assert [[p.username for p in w.others(world.approver)] for w in approver] == [["approver2"]]
    developer = next(each for each in leaving(world.author).held if each.word == "developer")
    assert (developer.others, developer.takers, developer.stuck) == (1, None, False)
    page = text_of(browser(world.administrator).get("/people/owner/deactivate/"))
    assert "1 signature on gates that you may not see; 1 of them nobody else can give." in page
    assert "lotx" not in page, "who ends accounts sees no models"
    assert "Nobody can: " in page
    told = session_api(world.administrator).get("/api/v1/people/owner/leaving").json()
    assert (told["gates"], told["hidden_gates"], told["hidden_gates_alone"]) == ([], 1, 1)
    assert [w.ref for w in waiting_told(Actor.of(world.compliance), world.owner).shown] == [
        evidence.version.ref
    ]


@pytest.mark.parametrize(
    ("name", "word"), [("administrator", "administrator"), ("compliance", "compliance officer")]
)
def test_the_last_of_those_who_give_duties_cannot_leave(world, name, word):
    if name == "compliance":
        leave(world, "compliance2")
    assert leaving(world.people[name]).last == (word,)
    with refused(WrongState, "last-one", act=LEAVE, by=world.administrator) as caught:
        leave(world, name)
    assert f"Nobody else is {word}" in caught.value.fact
    crowd(world, ["next"])
    asked = acts.request_organisation_assignment(
        world.administrator if name == "compliance" else world.compliance2,
        person_id=world.next.pk,
        duty=name,
        reason="Takes over",
    )
    acts.approve_organisation_assignment(world.compliance, asked.pk)
    assert not leave(world, name).is_active


@pytest.mark.parametrize("again", ["validator", "Validator", "VALIDATOR", "vAlidator"])
def test_the_username_of_a_former_person_is_never_given_again(world, again):
    leave(world, "validator")
    with pytest.raises(BadInput) as caught:
        acts.create_account(
            world.administrator, username=again, printed_name="Nina Novak", email="nina@example.org"
        )
    assert list(caught.value.fields) == ["username"]
    assert User.objects.filter(username__iexact="validator").count() == 1


def test_the_database_itself_refuses_a_name_that_differs_in_case(world):
    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        opened("access.create_account", user_id=None),
    ):
        User(username="VALIDATOR", printed_name="X", created_at=now()).save()


def test_the_people_page_tells_who_could_take_a_duty_and_what_one_leaver_would_block(world):
    give(world, "stranger", "monitor", world.model)
    page = text_of(browser(world.owner).get("/models/lotx/people/"))
    for told in ("Bus factor", "Who could take it", "What one leaver would block", "1: one person alone"):
        assert told in page
    plain = text_of(browser(world.author).get("/models/lotx/people/"))
    assert "Who could take it" not in plain, "names of all people are for those who choose among them"
    assert "What one leaver would block" in plain


def test_the_people_page_asks_as_often_for_many_as_for_few(world):
    client = browser(world.owner)
    client.get("/models/lotx/people/")
    with CaptureQueriesContext(connection) as few:
        client.get("/models/lotx/people/")
    crowd(world, ["ann", "ben", "cleo"])
    for name, duty in (("ann", "validator"), ("ben", "monitor"), ("cleo", "deployer")):
        give(world, name, duty, world.model)
    with CaptureQueriesContext(connection) as many:
        client.get("/models/lotx/people/")
    assert len(many) == len(few)


def test_the_api_tells_and_does_it(world):
    client = session_api(world.administrator)
    told = client.get("/api/v1/people/validator/leaving")
    assert told.status_code == 200
    assert {(d["duty"], d["others"]) for d in told.json()["duties"]} == {("validator", 0)}
    assert session_api(world.author).get("/api/v1/people/validator/leaving").status_code == 404
    assert session_api(world.compliance).get("/api/v1/people/validator/leaving").status_code == 403
    done = client.post("/api/v1/people/validator/deactivate", {"reason": "Left"}, format="json")
    assert (done.status_code, done.json()["is_active"]) == (200, False)


def test_requests_that_run_out_are_no_duty_that_ends(world):
    later = now() + timedelta(days=2)
    acts.request_assignment(
        world.owner,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        starts_at=later,
        reason="Later",
    )
    told = leaving(world.stranger)
    assert (told.held, len(told.requested)) == ((), 1)


def test_services_read_grants_seats_inspections_and_what_is_still_to_begin_end_too(world):
    """Nothing that opens a door outlives the account, whatever app it belongs to."""
    version = uploaded(world)
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    grant = grant_read(
        world.steward, request_read(world.author, version.pk, hours=4, reason="Query 7").pk, hours=4
    )
    made = service(world)
    runner = service_token(world, made)
    trusted = trust(world, made, "https://ci.example")
    seat = founded(world).members.get(person=world.author)
    page = text_of(browser(world.administrator).get("/people/author/deactivate/"))
    told = session_api(world.administrator).get("/api/v1/people/author/leaving").json()["left"]
    assert {each["kind"] for each in told} == {
        "Service accounts owned",
        "Read access to sensitive data",
        "Seats on review boards",
    }
    for each in told:
        assert each["kind"] in page
        assert len(each["records"]) + each["hidden"] == 1
    gone = leave(world, "author")
    for row in (grant, made, trusted, seat):
        row.refresh_from_db()
        assert row.state == "ended"
        assert row.end_reason
    assert ApiToken.objects.get(pk=runner.pk).ended_at is not None
    assert not ReadGrant.objects.in_force().exists()
    left = body_of(last(LEAVE))["facts"]["left"]
    assert left == {
        "Service accounts owned": [made.ref],
        "Read access to sensitive data": [grant.ref],
        "Seats on review boards": [seat.ref],
    }
    assert may(as_service(runner), "registry.register_version", world.model).status == 401
    assert held_by(gone) == []


def test_an_inspectors_account_ends_with_the_inspection_and_its_link(world):
    crowd(world, ["visitor"])
    found = inspected(world)
    with override_settings(OIDC_PROVIDERS=[PROVIDER]):
        link = acts.propose_link(world.administrator, found.person_id, provider="corp", subject="abc")
    acts.deactivate_account(world.administrator, found.person_id, reason="Inspection is over")
    found.refresh_from_db()
    link.refresh_from_db()
    assert (found.state, found.ended_by) == ("ended", world.administrator)
    assert link.state == "ended"


def test_an_ended_duty_says_when_it_ended_and_one_that_ran_out_keeps_its_end(world):
    until = now() + timedelta(days=9)
    asked = acts.request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        ends_at=until,
        reason="For the trial",
    )
    row = acts.approve_assignment(world.owner, asked.pk)
    page = text_of(browser(world.administrator).get("/people/stranger/deactivate/"))
    assert f"{until:%Y-%m-%d}" in page
    leave(world, "stranger")
    row.refresh_from_db()
    assert row.state == "ended"
    assert row.ended_at - row.ends_at < timedelta(seconds=1)
