"""Erasures and legal holds by page and by API: the words are shown to who decides, and to nobody else afterwards."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.access.acts import place_hold
from apps.access.erasure_models import Erasure, Hold
from apps.registry.acts import write_intended_use
from apps.trail import sealer
from apps.trail.models import Entry
from tests.access.telling import last
from tests.factories.doors import browser, session_api, text_of, token_api
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
NAME = "Zofia Nowicka"
KEY = {"idempotency_key": "k1"}


@pytest.fixture
def entry(world) -> Entry:
    write_intended_use(world.owner, world.model.pk, given=USE, reason=f"After the complaint of {NAME}")
    sealer.seal()
    return last("registry.write_intended_use")


def test_by_page(world, entry):
    client, other = browser(world.compliance), browser(world.compliance2)
    page = f"/audit/{entry.pk}/"
    assert f"/audit/{entry.pk}/erase/" in client.get(page).content.decode()
    assert "/erase/" not in browser(world.owner).get(page).content.decode()
    form = f"/audit/{entry.pk}/erase/"
    assert f"complaint of {NAME}" in text_of(client.get(form))
    given = {"passages": NAME, "basis": "17-1-d", "person": "author", "reason": "Not to stand here", **KEY}
    wrong = client.post(form, given | {"passages": "Somebody else"})
    assert wrong.status_code == 422
    assert "Passage 1 does not stand in what may be erased" in text_of(wrong)
    assert client.post(form, given | {"person": "nobody"}).status_code == 422
    made = client.post(form, given)
    row = Erasure.objects.get()
    assert made.url == f"/erasures/{row.pk}/"
    shown = other.get(made.url).content.decode()
    assert f"<mark>{NAME}</mark>" in shown
    assert NAME not in text_of(browser(world.administrator).get(made.url)), "who may not read the entry"
    assert row.ref in text_of(other.get("/erasures/"))
    own = client.post(f"{made.url}approve/", {"reason": "It is so", "idempotency_key": "k2"})
    assert own.status_code == 409
    assert "You asked for it." in text_of(own)
    done = other.post(f"{made.url}approve/", {"reason": "It is so", **KEY}, follow=True)
    assert "is approved" in text_of(done)
    assert NAME not in text_of(done)
    after = text_of(other.get(page))
    assert "complaint of [erased]" in after
    assert f"by entry {last('access.approve_erasure').pk}" in after
    assert "Proved now" in after or "Not sealed" not in after
    assert NAME not in after


def test_what_the_law_keeps_is_told_on_the_form(world, entry):
    place_hold(world.compliance, world.owner.pk, reason="Matter 7")
    assert "A legal hold stands: LH-" in text_of(browser(world.compliance).get(f"/audit/{entry.pk}/erase/"))
    sealer.seal()
    held = last("access.place_hold")
    assert "The law keeps it" in text_of(browser(world.compliance2).get(f"/audit/{held.pk}/erase/"))


def test_refuse_and_withdraw_by_page(world, entry):
    client = browser(world.compliance2)
    for verb, state in (("refuse", "refused"), ("withdraw", "withdrawn")):
        made = session_api(world.compliance).post("/api/v1/erasures", asked(entry), format="json").json()
        assert client.get(f"/erasures/{made['id']}/{verb}/").status_code == 200
        client.post(f"/erasures/{made['id']}/{verb}/", {"reason": "No", "idempotency_key": verb})
        assert Erasure.objects.get(pk=made["id"]).state == state


def test_a_hold_by_page(world):
    client = browser(world.compliance)
    assert reverse("web:place_hold", args=["author"]) in client.get("/people/author/").content.decode()
    assert client.get("/people/author/hold/").status_code == 200
    assert client.post("/people/author/hold/", {"reason": "Matter 7", **KEY}).url == "/holds/"
    hold = Hold.objects.get()
    assert hold.ref in text_of(client.get("/holds/"))
    assert client.get(f"/holds/{hold.pk}/lift/").status_code == 200
    client.post(f"/holds/{hold.pk}/lift/", {"reason": "Over", "idempotency_key": "k2"})
    hold.refresh_from_db()
    assert (hold.state, hold.lifted_by) == ("lifted", world.compliance)
    assert "by Compliance" in text_of(client.get("/holds/")) or "Over" in text_of(client.get("/holds/"))


def asked(entry: Entry, **given) -> dict:
    return {"entry": entry.pk, "passages": [NAME], "basis": "17-1-d", "reason": "Not to stand here"} | given


def test_by_api(world, entry):
    client, other = session_api(world.compliance), session_api(world.compliance2)
    assert client.post("/api/v1/erasures", asked(entry, basis="x"), format="json").status_code == 422
    assert client.post("/api/v1/erasures", asked(entry, person="nobody"), format="json").status_code == 422
    assert (
        token_api(world.compliance).post("/api/v1/erasures", asked(entry), format="json").status_code == 403
    )
    made = client.post("/api/v1/erasures", asked(entry, person="author"), format="json")
    assert made.status_code == 201, made.json()
    row = made.json()
    assert (row["person"], row["state"], row["entry"]) == ("author", "requested", entry.pk)
    assert NAME not in made.content.decode()
    place = f"/api/v1/erasures/{row['id']}"
    assert [
        each["id"] for each in other.get("/api/v1/erasures", {"state": "requested"}).json()["results"]
    ] == [row["id"]]
    held = other.post("/api/v1/holds", {"person": "author", "reason": "Matter 7"}, format="json")
    assert held.status_code == 201, held.json()
    refused = other.post(f"{place}/approve", {}, format="json")
    assert (refused.status_code, refused.json()["rule"]) == (409, "hold")
    hold = f"/api/v1/holds/{held.json()['id']}"
    assert other.post(f"{hold}/lift", {"reason": "Over"}, format="json").json()["state"] == "lifted"
    assert client.get("/api/v1/holds", {"state": "placed"}).json()["results"] == []
    assert client.get(hold).json()["lifted_by"] == "compliance2"
    assert client.post(f"{place}/approve", {}, format="json").json()["rule"] == "erasure-two"
    assert other.post(f"{place}/approve", {}, format="json").json()["state"] == "approved"
    assert other.post(f"{place}/refuse", {"reason": "No"}, format="json").status_code == 409
    assert session_api(world.author).get(place).status_code == 404
