"""`?as-of=` on pages: what stood then, checked, seen by who may see it today; nothing to do, and links that stay."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from apps.access.acts import end_assignment
from apps.access.models import Assignment
from apps.approvals.acts import open_gate, sign_approval
from apps.approvals.models import Gate, Slot
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.datasets.sensitive_acts import mark_sensitive
from apps.quality.acts import accept_deviation, close_deviation, open_deviation
from apps.registry.acts import register_model
from apps.trail.models import Entry
from apps.trail.testing import without_triggers
from tests.cast import give
from tests.factories.doors import browser, text_of
from tests.factories.evidence import signed, validated_world
from tests.trail.attacks import sql

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("reported")]
DOSSIER = "/models/lotx/1.0.0/"
CHECKED = re.compile(r"(\d+) records? read: each matches its entry in the trail\.")


@pytest.fixture
def evidence(world):
    return validated_world(world)


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def then(person, url: str, moment: datetime):
    answer = browser(person).get(url, {"as-of": text(moment)})
    assert answer.status_code == 200, text_of(answer)
    return answer


def main_of(answer) -> str:
    """The page without its frame and banner."""
    return answer.content.decode().partition("<main")[2].partition("</main>")[0]


def slot_of(version, code: str = "approval") -> Slot:
    rows = Slot.objects.select_related("gate__version__model", "gate__version__intended_use")
    return rows.get(gate__version=version, code=code)


# ---------------------------------------------------------------- what stood then


def test_a_dossier_is_as_it_was_before_its_gate_was_opened(world, evidence):
    before = now()
    open_gate(world.owner, evidence.version.pk)
    run_queued()
    after = now()
    assert "not open yet" in text_of(then(world.owner, DOSSIER, before))
    assert "not open yet" not in text_of(then(world.owner, DOSSIER, after))
    assert "not open yet" not in text_of(browser(world.owner).get(DOSSIER))
    told = text_of(then(world.owner, DOSSIER, before))
    assert f"You see {before:%Y-%m-%d %H:%M:%S} UTC" in told
    assert "Nothing can be done here." in told
    assert int(CHECKED.search(told)[1]) > 30


def test_a_signature_binds_as_it_bound_then(world, evidence):
    open_gate(world.owner, evidence.version.pk)
    run_queued()
    slot = slot_of(evidence.version)
    unsigned = now()
    sign_approval(world.approver, slot.pk, signature=signed(slot))
    bound = now()
    open_deviation(world.validator, evidence.version.pk, title="Late", description="A unit was mixed up.")
    signatures = f"{DOSSIER}signatures/"
    given = f"Approver Person, {now():%Y-%m-%d}"
    assert given not in main_of(then(world.owner, DOSSIER, unsigned))
    assert given in main_of(then(world.owner, DOSSIER, bound))
    assert "OUT OF DATE" not in text_of(then(world.owner, signatures, bound)).upper()
    assert "OUT OF DATE" in text_of(browser(world.owner).get(signatures)).upper()
    listed = reverse("web:signatures")
    approved = f'">{slot.ref}'
    assert approved not in then(world.owner, listed, unsigned).content.decode()
    assert approved in then(world.owner, listed, bound).content.decode()


def test_a_deviation_was_open_before_it_was_closed(world, evidence):
    given = {"title": "Clock was wrong", "description": "Two minutes slow."}
    deviation = open_deviation(world.validator, evidence.version.pk, **given)
    before = now()
    close_deviation(world.approver, deviation.pk, reason="Set right", signature=signed(deviation))
    url = reverse("web:deviation", args=[deviation.number])
    assert "Set right" in text_of(browser(world.owner).get(url))
    assert "Set right" not in text_of(then(world.owner, url, before))
    assert "Clock was wrong" in text_of(then(world.owner, url, before))


def test_duties_and_who_could_do_what_are_of_then(world, evidence):
    held = Assignment.objects.active().get(person=world.approver2, scope_kind="registry.model")
    before = now()
    end_assignment(world.owner, held.pk, reason="Moved on")
    url = reverse("web:model_people", args=["lotx"])
    assert "Approver2 Person" in text_of(then(world.owner, url, before))
    could = re.compile(r"Who could then: [^.]*Approver2 Person")
    assert could.search(text_of(then(world.owner, DOSSIER, before)))
    assert not could.search(text_of(then(world.owner, DOSSIER, now())))


def test_the_clock_stands_too(world, evidence, monkeypatch):
    """What has run out since was in force then."""
    given = {"title": "Clock was wrong", "description": "Two minutes slow."}
    deviation = open_deviation(world.validator, evidence.version.pk, **given)
    until = {"expires_at": f"{now() + timedelta(days=1):%Y-%m-%d %H:%M}", "reason": "No effect"}
    accept_deviation(world.approver, deviation.pk, signature=signed(deviation), **until)
    moment = now()
    monkeypatch.setattr("apps.core.clock.real_now", lambda: moment + timedelta(days=2))
    url = reverse("web:deviation", args=[deviation.number])
    ran_out = "The acceptance has run out"
    client = browser(world.owner)
    assert ran_out in text_of(client.get(url))
    assert ran_out not in text_of(client.get(url, {"as-of": text(moment)}))


# ---------------------------------------------------------------- who sees what


def made(world, slug: str):
    given = {"slug": slug, "name": slug.title(), "description": "Made afterwards."}
    return register_model(world.registrar, owner_id=world.owner.pk, **given)


def listed(answer) -> set[str]:
    return set(re.findall(r'href="/models/([-\w]+)/\?as-of=', answer.content.decode()))


def test_exactly_what_was_there_and_may_be_seen_today(world):
    before = now()
    later = made(world, "later")
    after = now()
    everything = {"lotx", world.other_model.slug}
    assert listed(then(world.compliance, "/models/", before)) == everything
    assert listed(then(world.compliance, "/models/", after)) == everything | {later.slug}
    assert listed(then(world.author, "/models/", after)) == {"lotx"}
    assert listed(then(world.stranger, "/models/", after)) == set()


def test_a_look_back_opens_nothing_that_is_closed_today(world, evidence):
    """Who held a duty then and holds none today sees what they see today: nothing."""
    moment = now()
    assert browser(world.colleague).get(DOSSIER, {"as-of": text(moment)}).status_code == 200
    for held in Assignment.objects.active().filter(person=world.colleague):
        end_assignment(world.owner, held.pk, reason="Moved on")
    for url in (DOSSIER, f"{DOSSIER}data/", "/models/lotx/", "/datasets/trial/v1/"):
        assert browser(world.colleague).get(url, {"as-of": text(moment)}).status_code == 404
    assert listed(then(world.colleague, "/models/", moment)) == set()


def test_who_sees_it_since_today_sees_it_as_it_was(world, evidence):
    moment = now()
    give(world, "stranger", "monitor", world.model)
    assert "lotx" in text_of(then(world.stranger, DOSSIER, moment))


def test_a_profile_that_is_shut_today_is_shut_then(world, evidence):
    train = evidence.train
    url = reverse("web:dataset_version", args=[train.dataset.slug, train.number])
    moment = now()
    assert "<svg" in then(world.author, url, moment).content.decode().partition("<main")[2]
    column = train.columns[0]["name"]
    shown = then(world.author, url, moment).content.decode().count(f"Distribution of {column}")
    assert shown
    mark_sensitive(world.steward, train.dataset_id, reason="Patients")
    assert f"Distribution of {column}" not in then(world.author, url, moment).content.decode()


# ---------------------------------------------------------------- checked against the trail


def test_a_history_row_that_was_changed_is_named(world, evidence):
    moment = now()
    row = evidence.version.history.latest("history_id")
    with without_triggers():
        sql("UPDATE registry_historicalversion SET label = '9.9.9' WHERE history_id = %s", row.history_id)
    page = text_of(then(world.owner, "/models/lotx/", moment))
    assert "9.9.9" in page
    assert f"row {row.history_id} of registry_historicalversion does not match" in page
    assert not CHECKED.search(page)
    assert CHECKED.search(text_of(then(world.owner, "/rules/", moment)))


def test_a_history_row_that_was_removed_is_missed(world, evidence):
    """The row before it is as the portal wrote it: only the trail knows that there was a later one."""
    moment = now()
    last, *_, first = evidence.version.history.order_by("-history_id").values_list("history_id", flat=True)
    with without_triggers():
        sql("DELETE FROM registry_historicalversion WHERE history_id = %s", last)
    page = text_of(then(world.owner, "/models/lotx/", moment))
    assert "is not the last one the trail tells of (entry" in page
    assert f"names row {last})" in page
    assert first != last


def test_an_entry_that_was_changed_with_its_row_is_named(world, evidence):
    """Whoever owns the database changes row and entry alike; the seal still holds the old one."""
    moment = now()
    row = evidence.version.history.latest("history_id")
    entry = Entry.objects.get(kind="row", table_name="registry_historicalversion", row_id=row.history_id)
    with without_triggers():
        body = entry.body.replace(evidence.version.code_commit, "f" * len(evidence.version.code_commit))
        assert body != entry.body
        sql("UPDATE trail_entry SET body = %s WHERE id = %s", body, entry.pk)
    page = text_of(then(world.owner, "/models/lotx/", moment))
    assert f"is told by entry {entry.pk}, whose body is not the one that was sealed" in page


# ---------------------------------------------------------------- nothing can be done, and links stay


def test_nothing_on_the_page_can_be_done_and_links_stay(world, evidence):
    moment = now()
    open_gate(world.owner, evidence.version.pk)
    page = then(world.owner, DOSSIER, moment).content.decode()
    assert 'method="post"' in browser(world.owner).get(DOSSIER).content.decode()
    assert 'method="post"' not in page
    inside = page.partition("<main")[2].partition("</main>")[0]
    assert "hx-" not in inside
    links = re.findall(r'<a [^>]*href="(/[^"]*)"', inside)
    assert len(links) > 10
    assert [link for link in links if "as-of=" not in link] == []
    assert f'<a href="{DOSSIER}" data-now>Back to now</a>' in page


@pytest.mark.parametrize("url", ["/models/lotx/1.0.0/", "/models/", "/work/", "/no-such-page/", "/sign-in/"])
def test_what_is_sent_with_a_moment_is_refused(world, evidence, url):
    answer = browser(world.owner).post(f"{url}?as-of=2026-01-01T00:00:00Z")
    assert answer.status_code == (404 if "no-such" in url else 400)


def test_an_act_with_a_moment_changes_nothing(world, evidence):
    url = reverse("web:open_gate", args=[evidence.version.pk])
    answer = browser(world.owner).post(f"{url}?as-of={text(now())}", {"idempotency_key": "k"})
    assert answer.status_code == 400
    assert "Nothing can be done at a moment past." in text_of(answer)
    assert not Gate.objects.exists()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("tomorrow", "is no moment"),
        ("", "is no moment"),
        ("2026-11-01T09:00:00", "does not say of which zone"),
        ("2001-01-01T00:00:00Z", "it begins at"),
        ("2999-01-01T00:00:00Z", "lies ahead"),
    ],
)
def test_a_moment_that_cannot_be_shown_is_refused_with_a_sentence(world, asked, why):
    answer = browser(world.owner).get("/models/", {"as-of": asked})
    assert answer.status_code == 400
    assert why in text_of(answer)


def test_two_moments_and_a_file_are_refused(world):
    moment = text(now())
    two = browser(world.owner).get(f"/models/?as-of={moment}&as-of={moment}")
    taken = browser(world.owner).get(f"/models/?as-of={moment}&format=csv")
    assert (two.status_code, taken.status_code) == (400, 400)
    assert "more than one moment" in text_of(two)
    assert "An inspection pack holds the records as of a moment." in text_of(taken)


def test_the_spelling_of_the_api_is_the_same_moment(world, evidence):
    before = now()
    open_gate(world.owner, evidence.version.pk)
    run_queued()
    client, moment = browser(world.owner), text(before)
    answer = client.get(DOSSIER, {"as_of": moment})
    assert f"You see {before:%Y-%m-%d %H:%M:%S} UTC" in text_of(answer)
    assert "not open yet" in text_of(answer)
    assert f'href="{DOSSIER}"' in answer.content.decode(), "the way back to the present names no moment"
    own = browser(world.compliance).get("/access-register/", {"as_of": moment})
    assert "You see" in text_of(own)
    both = client.get(DOSSIER, {"as_of": moment, "as-of": moment})
    assert (both.status_code, "more than one moment" in text_of(both)) == (400, True)
    assert client.get(DOSSIER, {"as_of": "yesterday"}).status_code == 400
    assert client.post("/models/?as_of=" + moment).status_code == 400


def test_a_date_is_the_end_of_its_day_and_says_so(world, settings, monkeypatch):
    settings.ORGANISATION_TIME_ZONE = "Europe/Zurich"
    later = now() + timedelta(days=3)
    monkeypatch.setattr("apps.trail.instants.real_now", lambda: later)
    day = (now() + timedelta(days=1)).date().isoformat()
    answer = browser(world.owner).get("/models/", {"as-of": day})
    assert answer.status_code == 200
    assert f"the end of {day} in Europe/Zurich, the organisation's zone" in text_of(answer)


def test_who_is_not_signed_in_signs_in_first(client):
    answer = client.get("/models/", {"as-of": "2001-01-01T00:00:00Z"})
    assert answer.status_code == 302
    assert "as-of" in answer.headers["Location"]


# ---------------------------------------------------------------- which moment


def test_moments_of_a_dossier_lead_to_what_they_say(world, evidence):
    open_gate(world.owner, evidence.version.pk)
    run_queued()
    slot = slot_of(evidence.version)
    sign_approval(world.approver, slot.pk, signature=signed(slot))
    open_deviation(world.validator, evidence.version.pk, title="Late", description="A unit was mixed up.")
    page = browser(world.owner).get(reverse("web:as_of"), {"page": DOSSIER})
    found = re.findall(r'<li><a href="([^"]+)">.*?</a> ([^<]+)</li>', page.content.decode())
    offered = {told: url for url, told in found}
    assert any("registered a model version" in told for told in offered)
    signing = next(url for told, url in offered.items() if told.startswith("Approver Person signed"))
    shown = browser(world.owner).get(signing.replace("&amp;", "&"))
    assert shown.status_code == 200
    assert "Approver Person" in text_of(shown)
    assert "A unit was mixed up." not in text_of(shown)


def test_moments_are_offered_of_what_may_be_seen_and_kept(world, evidence):
    choose = reverse("web:as_of")
    hidden = browser(world.stranger).get(choose, {"page": DOSSIER})
    assert hidden.status_code == 200
    assert "registered" not in text_of(hidden)
    for path in ("/work/", "https://example.org/models/", "//example.org/models/", "", "/no-such/"):
        assert browser(world.owner).get(choose, {"page": path}).status_code == 404


# ---------------------------------------------------------------- who looks, and what it costs


def test_an_inspectors_look_is_entered_with_its_moment(world, evidence):
    moment = now()
    then(world.inspector, DOSSIER, moment)
    facts = json.loads(Entry.objects.filter(act="access.look").latest("id").body)["facts"]
    assert facts["page"] == "web:version"
    assert facts["as_of"] == moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    browser(world.inspector).get(DOSSIER)
    assert "as_of" not in json.loads(Entry.objects.filter(act="access.look").latest("id").body)["facts"]


def queries(django_assert_max_num_queries, person, url: str, moment: datetime) -> int:
    client = browser(person)
    with django_assert_max_num_queries(90) as seen:
        assert client.get(url, {"as-of": text(moment)}).status_code == 200
    return len(seen)


def test_a_list_of_then_costs_the_same_for_one_and_for_more(world, django_assert_max_num_queries):
    one = now()
    made(world, "second")
    made(world, "third")
    counts = {queries(django_assert_max_num_queries, world.compliance, "/models/", at) for at in (one, now())}
    assert len(counts) == 1


def test_what_came_later_costs_nothing(world, evidence, django_assert_max_num_queries):
    given = {"title": "Clock was wrong", "description": "Two minutes slow."}
    deviation = open_deviation(world.validator, evidence.version.pk, **given)
    url = reverse("web:deviation", args=[deviation.number])
    moment = now()
    before = queries(django_assert_max_num_queries, world.owner, url, moment)
    close_deviation(world.approver, deviation.pk, reason="Set right", signature=signed(deviation))
    assert queries(django_assert_max_num_queries, world.owner, url, moment) == before
