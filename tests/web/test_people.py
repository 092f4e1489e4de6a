"""People and duties in the browser: accounts, enrolment links, requests and their decision."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from apps.access.acts import (
    approve_organisation_assignment,
    end_assignment,
    request_assignment,
    request_organisation_assignment,
)
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core.errors import Conflict
from apps.core.jobs import run_queued
from apps.trail.models import Entry
from tests.cast import PASSWORD, give
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def signed_in(world):
    def enter(person: str) -> Client:
        client = Client()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


def page_of(response) -> str:
    return response.content.decode()


def new_account(**more) -> dict:
    return {
        "username": "nnovak",
        "printed_name": "Nina Novak",
        "title": "",
        "email": "nina@example.org",
        "idempotency_key": "k1",
        **more,
    }


def asked_for(world, person="stranger", duty="monitor", by="registrar", parent=None) -> Assignment:
    parent = parent or world.model
    return request_assignment(
        world.people[by],
        person_id=world.people[person].pk,
        duty=duty,
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        reason="Needed for the work",
    )


# ---------------------------------------------------------------- accounts


def test_the_list_shows_exactly_the_accounts_one_may_see(signed_in, world):
    everybody = set(User.objects.filter(is_service=False).values_list("username", flat=True))

    def listed(person):
        rows = page_of(signed_in(person).get("/people/", {"o": "name"}))
        return set(re.findall(r'<th scope="row"><a href="/people/([^/]+)/"', rows))

    assert listed("administrator") == everybody
    assert listed("compliance") == everybody
    assert listed("author") == {"author"}
    assert listed("stranger") == {"stranger"}


def test_filters_of_the_list(signed_in, world):
    client = signed_in("compliance")

    def listed(**query):
        return set(
            re.findall(r'<th scope="row"><a href="/people/([^/]+)/"', page_of(client.get("/people/", query)))
        )

    assert listed(duty="approver") == {"approver", "approver2"}
    assert listed(name="bias") == {"bias_tester"}
    assert listed(active="no") == set()
    assert client.get("/people/", {"active": "perhaps"}).status_code == 422


def test_the_list_asks_the_database_as_often_for_many_as_for_few(signed_in, world, django_assert_num_queries):
    client = signed_in("administrator")
    client.get("/people/")
    for name in ("bias_tester", "approver", ""):
        with django_assert_num_queries(11):
            client.get("/people/", {"name": name})


def test_an_account_is_made_and_its_link_goes_to_the_person_alone(signed_in, world):
    client = signed_in("administrator")
    answer = client.post(reverse("web:create_account"), new_account(), follow=True)
    assert "A link is sent to nina@example.org." in page_of(answer)
    assert "waits to be sent" in page_of(answer)
    run_queued()
    link = re.search(r"http://[^/]+(/enrol/\S+/)", mail.outbox[-1].body)[1]
    made = User.objects.get(username="nnovak")
    assert not made.has_usable_password()
    person_page = reverse("web:person", args=["nnovak"])
    html = page_of(client.get(person_page))
    assert "works until" in html
    assert "/enrol/" not in html + page_of(answer)
    person = Client()
    assert person.post(link, {"password": PASSWORD, "again": PASSWORD}).status_code == 302
    assert person.get("/account/").status_code == 200
    assert "you cannot sign" in page_of(person.get("/account/"))
    assert Client().get(link).status_code == 404
    assert "used" in page_of(client.get(person_page))


def test_identity_is_confirmed_on_a_page_of_its_own(signed_in, world):
    signed_in("administrator").post(reverse("web:create_account"), new_account())
    url = reverse("web:confirm_identity", args=["nnovak"])
    assert signed_in("author").get(url).status_code == 404
    told = signed_in("administrator")
    assert "Who may:" in page_of(told.get(url))
    assert told.post(url, {"how": "known", "idempotency_key": "c0"}).status_code == 403
    client = signed_in("compliance")
    assert url in page_of(client.get(reverse("web:person", args=["nnovak"])))
    bad = client.post(url, {"idempotency_key": "c1"})
    assert bad.status_code == 422
    assert "Choose “How you made sure who it is”." in page_of(bad)
    assert client.post(url, {"how": "video", "idempotency_key": "c1"}).status_code == 302
    html = page_of(client.get(reverse("web:person", args=["nnovak"])))
    assert "An identity document, seen in a video call; confirmed by" in html
    assert client.post(url, {"how": "video", "idempotency_key": "c2"}).status_code == 409


def test_a_locked_account_is_unlocked_with_a_reason(signed_in, world):
    client, url = signed_in("administrator"), reverse("web:unlock_account", args=["author"])
    assert client.get(url).status_code == 200
    assert client.post(url, {"reason": "", "idempotency_key": "u1"}).status_code == 422
    assert client.post(url, {"reason": "Asked by phone", "idempotency_key": "u1"}).status_code == 302
    assert signed_in("compliance").post(url, {"reason": "x", "idempotency_key": "u2"}).status_code == 403


def test_posted_twice_an_account_is_made_once(signed_in, world):
    client = signed_in("administrator")
    first, again = (client.post(reverse("web:create_account"), new_account()) for _ in range(2))
    assert (first.status_code, again.status_code) == (302, 302)
    assert (
        Entry.objects.filter(act="access.create_account", kind="act", body__contains="@nnovak").count() == 1
    )


def test_a_bad_account_keeps_what_was_typed_and_says_how_to_mend_it(signed_in, world):
    answer = signed_in("administrator").post(
        reverse("web:create_account"), new_account(username="N Novak", title="Lead")
    )
    html = page_of(answer)
    assert answer.status_code == 422
    assert "2 to 80 small letters" in html
    assert 'value="Lead"' in html
    assert "<title>Error: Create account" in html


def test_who_is_not_administrator_makes_no_account(signed_in, world):
    client = signed_in("author")
    assert "Ada Administrator" in page_of(client.get(reverse("web:create_account")))
    answer = client.post(reverse("web:create_account"), new_account())
    assert answer.status_code == 403
    assert "Who may: Ada Administrator." in page_of(answer)
    assert not User.objects.filter(username="nnovak").exists()


def test_a_new_link_is_for_accounts_without_a_password_only(signed_in, world):
    client = signed_in("administrator")
    client.post(reverse("web:create_account"), new_account())
    renewed = client.post(reverse("web:renew_enrolment", args=["nnovak"]))
    assert renewed.status_code == 302
    assert Entry.objects.filter(act="access.renew_enrolment", kind="act").count() == 1
    refused = client.post(reverse("web:renew_enrolment", args=["author"]))
    assert refused.status_code == 409
    assert "has set a password already" in page_of(refused)
    assert signed_in("compliance").post(reverse("web:renew_enrolment", args=["nnovak"])).status_code == 403
    assert signed_in("stranger").post(reverse("web:renew_enrolment", args=["nnovak"])).status_code == 404


def test_a_leaver_is_deactivated_with_a_reason(signed_in, world):
    client, url = signed_in("administrator"), reverse("web:deactivate_account", args=["monitor"])
    leaver = signed_in("monitor")
    assert leaver.get("/account/").status_code == 200
    assert client.post(url, {"reason": "", "idempotency_key": "d1"}).status_code == 422
    assert client.post(url, {"reason": "Left the company", "idempotency_key": "d1"}).status_code == 302
    world.monitor.refresh_from_db()
    assert not world.monitor.is_active
    assert set(Assignment.objects.filter(person=world.monitor).values_list("state", flat=True)) == {"ended"}
    assert leaver.get("/account/").status_code == 302
    again = client.post(url, {"reason": "Again", "idempotency_key": "d2"})
    assert again.status_code == 409
    assert "already" in page_of(client.get(url))


def test_an_account_one_may_not_see_is_not_there(signed_in, world):
    stranger = signed_in("stranger")
    assert stranger.get(reverse("web:person", args=["author"])).status_code == 404
    assert stranger.get(reverse("web:person", args=["stranger"])).status_code == 200
    assert stranger.get(reverse("web:deactivate_account", args=["author"])).status_code == 404
    html = page_of(signed_in("administrator").get(reverse("web:person", args=["author"])))
    assert "created an account" in html


# ---------------------------------------------------------------- duties


def test_people_of_a_model_who_holds_what_and_what_stands_still(signed_in, world):
    url = reverse("web:model_people", args=["lotx"])
    html = page_of(signed_in("author").get(url))
    assert "Process Expert Person" in html
    assert "nobody holds it" not in html
    held = Assignment.objects.get(person=world.process_expert, duty="process_expert")
    end_assignment(world.owner, held.pk, reason="Left the project")
    html = page_of(signed_in("author").get(url))
    assert "nobody holds it" in html
    assert "Nobody can: Sign as process expert; Review features; Sign feature review." in html
    assert "Left the project" in html
    assert signed_in("stranger").get(url).status_code == 404
    assert signed_in("other_developer").get(url).status_code == 404
    assert signed_in("curator").get(reverse("web:dataset_people", args=["trial"])).status_code == 200


def test_a_request_names_who_cannot_be_given_the_duty_and_why(signed_in, world):
    url = reverse("web:request_model_duty", args=["lotx"])
    html = page_of(signed_in("owner").get(url, {"duty": "approver"}))
    chosen = html[html.index('<select name="person_id"') :]
    assert "Stranger Person" in chosen[: chosen.index("</select>")]
    assert "Author Person" not in chosen[: chosen.index("</select>")]
    assert re.search(r"Author Person \(@author\) holds or was requested the duty developer; ST3", html)
    assert re.search(r"Approver Person \(@approver\) holds this duty already", html)


def request_form(world, **more) -> dict:
    return {
        "duty": "monitor",
        "person_id": world.stranger.pk,
        "starts_at": "",
        "ends_at": "",
        "reason": "Watches the lots",
        "idempotency_key": "r1",
        **more,
    }


def test_a_duty_is_requested_by_one_and_approved_by_another(signed_in, world):
    url = reverse("web:request_model_duty", args=["lotx"])
    assert signed_in("owner").post(url, request_form(world)).status_code == 302
    asked = Assignment.objects.get(person=world.stranger)
    assert (asked.state, asked.reason, asked.requester) == ("requested", "Watches the lots", world.owner)
    approve = reverse("web:decide_assignment", args=[asked.pk, "approve"])
    own = signed_in("owner")
    assert "DY17" in page_of(own.get(approve))
    refused = own.post(approve, {"idempotency_key": "a1"})
    assert refused.status_code == 409
    assert "Cora Compliance" in page_of(refused)
    assert signed_in("compliance").post(approve, {"idempotency_key": "a2"}).status_code == 302
    asked.refresh_from_db()
    assert (asked.state, asked.approver) == ("approved", world.compliance)
    assert signed_in("compliance").post(approve, {"idempotency_key": "a3"}).status_code == 409


def test_a_request_with_bad_input_keeps_what_was_typed(signed_in, world):
    url = reverse("web:request_model_duty", args=["lotx"])
    client = signed_in("owner")
    for bad, said in (
        ({"reason": ""}, "Say why."),
        ({"ends_at": "tomorrow"}, "write the time in UTC"),
        ({"ends_at": "2020-01-01 00:00"}, "The end must be later than the start."),
        ({"person_id": world.author.pk, "duty": "approver"}, "not one of the available choices"),
        ({"duty": "king"}, "Choose a duty first."),
    ):
        answer = client.post(url, request_form(world, **bad))
        assert answer.status_code == 422, bad
        assert said in page_of(answer)
    assert not Assignment.objects.filter(person=world.stranger).exists()


def test_who_may_not_request_is_told_who_may(signed_in, world):
    url = reverse("web:request_model_duty", args=["lotx"])
    refused = signed_in("author").get(url)
    assert refused.status_code == 403
    assert "Owner Person" in page_of(refused)
    assert signed_in("author").post(url, request_form(world)).status_code == 403
    assert signed_in("stranger").post(url, request_form(world)).status_code == 404


def test_refuse_and_end_ask_a_reason(signed_in, world):
    asked = asked_for(world)
    client = signed_in("owner")
    refuse = reverse("web:decide_assignment", args=[asked.pk, "refuse"])
    assert client.post(refuse, {"reason": " ", "idempotency_key": "x1"}).status_code == 422
    assert client.post(refuse, {"reason": "Not needed", "idempotency_key": "x2"}).status_code == 302
    asked.refresh_from_db()
    assert (asked.state, asked.end_reason) == ("refused", "Not needed")
    given = give(world, "stranger", "monitor", world.model)
    end = reverse("web:decide_assignment", args=[given.pk, "end"])
    assert signed_in("stranger").post(end, {"reason": "x", "idempotency_key": "y"}).status_code == 403
    assert client.post(end, {"reason": "Done", "idempotency_key": "x3"}).status_code == 302
    given.refresh_from_db()
    assert (given.state, given.end_reason) == ("ended", "Done")
    assert client.post(end, {"reason": "Twice", "idempotency_key": "x4"}).status_code == 409
    assert client.get(reverse("web:decide_assignment", args=[given.pk, "praise"])).status_code == 404


def test_an_organisation_duty_from_request_to_approval(signed_in, world):
    form = request_form(world, duty="inspector", idempotency_key="o1")
    endless = signed_in("administrator").post(reverse("web:request_duty"), form)
    assert endless.status_code == 422, "an inspector's access ends"
    form["ends_at"] = "2099-01-01 00:00"
    assert signed_in("administrator").post(reverse("web:request_duty"), form).status_code == 302
    asked = Assignment.objects.get(person=world.stranger, duty="inspector")
    html = page_of(signed_in("compliance").get("/people/"))
    assert "1 request to decide" in html
    approve = reverse("web:decide_assignment", args=[asked.pk, "approve"])
    assert signed_in("administrator").post(approve, {"idempotency_key": "o2"}).status_code == 403
    assert signed_in("author").post(approve, {"idempotency_key": "o3"}).status_code == 404
    assert signed_in("compliance").post(approve, {"idempotency_key": "o4"}).status_code == 302
    asked.refresh_from_db()
    assert asked.state == "approved"


def test_a_request_nobody_may_approve_is_called_stuck(signed_in, world):
    for other in Assignment.objects.filter(duty="compliance", person=world.compliance2):
        end_assignment(world.compliance, other.pk, reason="Left")
    asked = request_organisation_assignment(
        world.compliance, person_id=world.stranger.pk, duty="registrar", reason="More hands"
    )
    end_assignment(
        world.compliance, Assignment.objects.get(duty="administrator").pk, reason="The last one leaves"
    )
    html = page_of(signed_in("compliance").get("/people/"))
    assert "Nobody may approve this" in html
    with pytest.raises(Conflict):
        approve_organisation_assignment(world.compliance, asked.pk)


def test_what_will_be_refused_later_is_told_before_somebody_is_chosen(signed_in, world):
    validated_world(world, until="run")
    page = signed_in("owner").get(reverse("web:request_model_duty", args=["lotx"]), {"duty": "approver"})
    told = " ".join(page_of(page).split())
    warned = told.partition("To know before you choose")[2].partition("</details>")[0]
    assert "Validator Person" in warned
    assert "DY8 will refuse acts here: who validated a version may not approve it" in warned


def test_a_waiver_is_asked_for_from_the_people_of_a_model_by_who_may(signed_in):
    address = reverse("web:model_people", args=["lotx"])
    link = reverse("web:waiver_new", args=["lotx"])
    assert link in page_of(signed_in("owner").get(address))
    assert link not in page_of(signed_in("author").get(address))
