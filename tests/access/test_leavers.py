"""A leaver in one act: what it ends, what it blocks, who could take it, and what stays for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.access import acts
from apps.access.leaving import leaving
from apps.access.models import Assignment, Waiver
from apps.accounts.models import ApiToken, SignedIn, User
from apps.approvals.acts import open_gate
from apps.approvals.leavers import waiting_for
from apps.core.clock import now
from apps.core.errors import BadInput, WrongState
from apps.trail.current import opened
from apps.trail.models import Signature
from tests.access.people import crowd
from tests.access.telling import assert_told, body_of, last, refused
from tests.access.test_waivers import granted
from tests.cast import give
from tests.factories.doors import browser, session_api, text_of
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db
LEAVE = "access.deactivate_account"


def leave(world, name: str) -> User:
    person = world.people[name]
    return acts.deactivate_account(world.administrator, person.pk, reason="Left the company")


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
    assert "Nobody else can sign it." in page
    assert "Nobody can: " in page


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
