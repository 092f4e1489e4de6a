"""What waits for whom besides the versions: each queue shows exactly who decides it, and who cannot by which rule."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import resolve

from apps.access import acts
from apps.access import waiting as waits
from apps.access.actors import as_actor
from apps.access.reminding import remind_all
from apps.access.waiting import QUEUES, deciders, queues_for
from apps.accounts.models import User
from apps.core import clock
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.datasets.sensitive_acts import mark_sensitive, request_read, request_unmark
from tests.access.test_rule_changes import changed, propose
from tests.cast import EVERYBODY
from tests.datasets.test_acts import uploaded
from tests.factories.evidence import signed as _signed
from tests.factories.services import asked_service, asked_trust, service

pytestmark = pytest.mark.django_db


def waiting(world, key: str) -> dict[str, list[str]]:
    """Person -> what of this queue is theirs; who has none is left out."""
    return _each(world, key, lambda found: [item.what for item in found.mine])


def blocked(world, key: str) -> dict[str, list[str]]:
    """Person -> the rules that shut it to them."""
    return _each(world, key, lambda found: [item.verdict.rule.split(":")[0] for item in found.blocked])


def _each(world, key, told):
    found = {}
    for name in EVERYBODY:
        for each in queues_for(as_actor(world.people[name])):
            if each.queue.key == key and (items := told(each)):
                found[name] = items
    return found


def request_duty(world, by="owner", person="stranger", duty="developer"):
    return acts.request_assignment(
        world.people[by],
        person_id=world.people[person].pk,
        duty=duty,
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Joins the team",
    )


def test_nothing_waits_in_the_world_as_it_is(world):
    assert {key: waiting(world, key) for key in QUEUES if waiting(world, key)} == {}


def test_a_duty_asked_for_waits_for_who_approves_it_and_tells_the_others_why_not(world):
    made = request_duty(world, by="owner")
    told = [f"{made.ref}: {world.stranger.printed_name} as developer of {world.model.slug}"]
    assert waiting(world, "duties") == {"compliance": told, "compliance2": told}
    assert blocked(world, "duties") == {"owner": ["DY17"]}


def test_where_the_only_candidates_are_shut_out_it_says_so_and_is_stuck(world):
    acts.deactivate_account(world.administrator, world.compliance2.pk, reason="Has left")
    request_duty(world, by="compliance")
    acts.deactivate_account(world.administrator, world.owner.pk, reason="Has left")
    [found] = [each for each in queues_for(as_actor(world.compliance)) if each.queue.key == "duties"]
    assert (found.mine, [item.stuck for item in found.blocked]) == ((), [True])
    assert found.heading == "Requests for a duty: none is yours to decide"


def test_a_waiver_waits_for_each_half_until_it_is_signed(world):
    waiver = acts.request_waiver(
        world.owner,
        model_id=world.model.pk,
        person_id=world.approver2.pk,
        rule="DY17",
        control="A colleague looks over it.",
        expires_at=now() + timedelta(days=30),
        reason="Nobody else is here",
    )
    told = [str(waiver)]
    signers = ("approver", "conflicted", "compliance", "compliance2")
    holders = {name: told for name in signers if name in waiting(world, "waivers")}
    assert waiting(world, "waivers") == holders
    assert {"approver", "compliance", "compliance2"} <= set(holders)
    assert blocked(world, "waivers") == {"approver2": ["EN5"]}
    acts.sign_waiver_approver(world.approver, waiver.pk, signature=_signed(waiver), reason="Read")
    assert waiting(world, "waivers") == {"compliance": told, "compliance2": told}


def test_an_inspection_waits_for_compliance_officers_who_did_not_ask(world):
    made = acts.request_inspection(
        world.compliance,
        person_id=world.stranger.pk,
        authority="Agency",
        places=[("registry.model", world.model.pk)],
        starts_at=now() + timedelta(days=1),
        ends_at=now() + timedelta(days=3),
        reason="Announced",
    )
    assert waiting(world, "inspections") == {"compliance2": [str(made)]}
    assert blocked(world, "inspections") == {"compliance": ["DY17"]}
    [found] = [each for each in queues_for(as_actor(world.compliance2)) if each.queue.key == "inspections"]
    assert (found.mine[0].due, found.mine[0].asked_by) == (made.starts_at, world.compliance)


def test_a_service_waits_for_compliance(world):
    asked_service(world, by="compliance", owner="author")
    told = [f"service lotx-ci, {world.author.printed_name} answers for it"]
    assert waiting(world, "services") == {"compliance2": told}
    assert blocked(world, "services") == {"compliance": ["DY17"]}


def test_a_trust_waits_for_compliance(world):
    made = asked_trust(service(world), "https://ci.example")
    told = [f"{made.ref} of {made.service.ref}: https://ci.example"]
    assert waiting(world, "trusts") == {"compliance": told, "compliance2": told}


def test_an_identity_waits_for_a_second_person(world):
    made = acts.create_account(
        world.administrator, username="newcomer", printed_name="Nora New", email="nora@example.org"
    )
    assert waiting(world, "identities") == {}, "who holds no duty signs nothing"
    asked = request_duty(world, by="owner")
    acts.refuse_assignment(world.compliance, asked.pk, reason="Not them")
    world.people["newcomer"] = made
    acts.approve_assignment(world.compliance, request_duty(world, person="newcomer").pk)
    told = ["Nora New (@newcomer) cannot sign until somebody confirms who they are"]
    assert waiting(world, "identities") == dict.fromkeys(("compliance", "compliance2", "registrar"), told)
    acts.confirm_identity(world.compliance, made.pk, how="known")
    assert waiting(world, "identities") == {}


def test_a_reset_waits_for_officers_who_have_no_part_in_it(world):
    person = with_address(world, "compliance")
    made = acts.request_reset(world.administrator, person, what="password", reason="Forgot it")
    told = [f"{made.ref}: password of {world.compliance.printed_name}"]
    assert waiting(world, "resets") == {"compliance2": told}
    assert blocked(world, "resets") == {"compliance": ["DY18"]}


def test_a_correction_waits_for_officers_who_have_no_part_in_it(world, mailoutbox):
    for name in EVERYBODY:
        with_address(world, name)
    person = world.compliance
    made = acts.request_correction(
        world.administrator,
        person.pk,
        printed_name="Cora Novak",
        email="cora@example.org",
        reason="Married; passport seen",
    )
    told = [f"{made.ref}: printed name and e-mail address of {person.printed_name}"]
    assert waiting(world, "corrections") == {"compliance2": told}
    assert blocked(world, "corrections") == {"compliance": ["DY18"]}
    [item] = [found.mine[0] for found in queues_for(as_actor(world.compliance2))]
    assert resolve(item.path).view_name == "web:correction"
    remind_all()
    run_queued()
    assert mails_about(made, mailoutbox) == {"compliance2@example.org": f"Correction to decide: {told[0]}"}
    User.objects.filter(pk=world.author.pk).update(email="CORA@example.org")
    [left] = [found.mine[0] for found in queues_for(as_actor(world.compliance2))]
    assert left.verdict.act == "access.refuse_correction", "what cannot be approved any more is still refused"


def test_who_has_another_name_is_to_be_confirmed_since_then_and_told_so_again(world, mailoutbox, monkeypatch):
    monkeypatch.setattr(clock, "_latest", clock.real_now())  # as it was, once the test is over
    for name in EVERYBODY:
        with_address(world, name)
    person = world.author

    def told() -> int:
        remind_all()
        run_queued()
        return sum(mail.to == ["registrar@example.org"] for mail in mailoutbox)

    def since():
        [(_queue, record, moment, _able)] = deciders()
        assert record.pk == person.pk
        return moment

    User.objects.filter(pk=person.pk).update(identity_confirmed_at=None)
    assert (since(), told()) == (person.created_at, 1)
    for number, given in enumerate(({"printed_name": "Anna Author"}, {"printed_name": "Anna Novak"})):
        acts.confirm_identity(world.registrar, person.pk, how="known")
        asked = acts.request_correction(world.administrator, person.pk, reason="Passport", **given)
        clock.passed(now() + timedelta(seconds=2))
        done = acts.approve_correction(world.compliance2, asked.pk)
        assert (since(), told()) == (done.decided_at, number + 2), "on the same day, too"
        assert told() == number + 2
    address = acts.request_correction(world.administrator, person.pk, email="a@example.org", reason="Moved")
    acts.approve_correction(world.compliance2, address.pk)
    assert (since(), told()) == (done.decided_at, 3), "another address lifts nothing"


def test_sensitive_data_wait_for_the_steward(world):
    version = uploaded(world)
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    grant = request_read(world.author, version.pk, hours=1, reason="Query 7")
    assert waiting(world, "reads") == {"steward": [f"{grant}, 1 hour"]}
    asked = request_unmark(world.steward, world.dataset.pk, reason="Anonymised")
    assert waiting(world, "unmarkings") == {
        name: [str(asked)] for name in ("owner", "compliance", "compliance2")
    }
    assert blocked(world, "unmarkings") == {"steward": ["DY17"]}


def with_address(world, name: str) -> int:
    User.objects.filter(pk=world.people[name].pk).update(email=f"{name}@example.org")
    return world.people[name].pk


def everything(world) -> None:
    """One of each kind that this world can ask for."""
    request_duty(world)
    acts.request_waiver(
        world.owner,
        model_id=world.model.pk,
        person_id=world.author.pk,
        rule="ST8",
        control="A colleague looks over it.",
        expires_at=now() + timedelta(days=30),
        reason="Nobody else is here",
    )
    visitor = acts.create_account(
        world.administrator, username="visitor", printed_name="Vera Visitor", email="vera@agency.example"
    )
    acts.request_inspection(
        world.administrator,
        person_id=visitor.pk,
        authority="Agency",
        places=[("registry.model", world.model.pk)],
        ends_at=now() + timedelta(days=3),
        reason="Announced",
    )
    asked_trust(service(world), "https://ci.example")
    asked_service(world, name="second-ci")
    acts.request_reset(
        world.administrator, with_address(world, "author"), what="password", reason="Forgot it"
    )
    acts.request_correction(
        world.administrator,
        world.monitor.pk,
        printed_name="Mona Novak",
        email="m@example.org",
        reason="Married",
    )
    version = uploaded(world)
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    request_read(world.author, version.pk, hours=1, reason="Query 7")
    request_unmark(world.owner, world.dataset.pk, reason="Anonymised")


def test_every_item_leads_to_a_page_that_its_person_may_open(world, client):
    everything(world)
    seen = set()
    for name in EVERYBODY:
        client.force_login(world.people[name], backend="django.contrib.auth.backends.ModelBackend")
        for each in queues_for(as_actor(world.people[name])):
            seen.add(each.queue.key)
            for item in (*each.mine, *each.blocked):
                path = item.path.split("#")[0]
                assert resolve(path)
                assert client.get(path).status_code == 200, (name, item.what, path)
        page = client.get("/work/")
        if page.status_code == 200:
            for each in queues_for(as_actor(world.people[name])):
                assert f'id="queue-{each.queue.key}"' in page.content.decode()
    assert seen >= {
        "duties", "waivers", "inspections", "services", "trusts", "resets", "corrections", "reads", "unmarkings",
    }  # fmt: skip


def test_the_queues_cost_the_same_for_one_item_and_for_three(world, django_assert_max_num_queries):
    everything(world)
    for person in (world.compliance, world.owner, world.approver):
        with django_assert_max_num_queries(9):
            queues_for(as_actor(person))
    for name in ("curator", "other_developer"):
        request_duty(world, person=name, duty="monitor")
    for name in ("third-ci", "fourth-ci"):
        asked_service(world, name=name)
    for name in ("validator", "deployer"):
        given = {"printed_name": f"{name} Novak", "email": f"{name}.novak@example.org"}
        acts.request_correction(world.administrator, world.people[name].pk, reason="Married", **given)
    for person in (world.compliance, world.owner, world.approver):
        with django_assert_max_num_queries(9):
            queues_for(as_actor(person))


def mails_about(record, box) -> dict[str, str]:
    """Address -> subject of what was sent about this record."""
    return {mail.to[0]: mail.subject for mail in box if record.ref in mail.subject}


def test_each_item_is_mailed_once_to_each_who_could_decide_it(world, mailoutbox):
    for name in EVERYBODY:
        with_address(world, name)
    made = request_duty(world, by="owner")
    remind_all()
    run_queued()
    told = f"Request for a duty: {made.ref}: {world.stranger.printed_name} as developer of {world.model.slug}"
    assert mails_about(made, mailoutbox) == {
        "compliance@example.org": told,
        "compliance2@example.org": told,
    }
    [mail] = [each for each in mailoutbox if each.to == ["compliance@example.org"]]
    assert f"/models/{world.model.slug}/people/#waiting" in mail.body
    assert f"asked for by {world.owner.printed_name}" in mail.body
    assert made.reason not in mail.body
    count = len(mailoutbox)
    assert remind_all() == 0
    run_queued()
    assert len(mailoutbox) == count
    acts.refuse_assignment(world.compliance, made.pk, reason="Not needed")
    assert remind_all() == 0


def test_an_identity_that_must_be_confirmed_again_is_told_again(world):
    assert list(deciders()) == []
    User.objects.filter(pk=world.author.pk).update(identity_confirmed_at=None)
    [(queue, record, _since, able)] = deciders()
    assert (queue.key, record, queue.told_again) == ("identities", world.author, True)
    assert {person.username for person in able} == {"compliance", "compliance2", "registrar"}


def test_a_change_of_the_rules_waits_for_both_halves_once_it_was_replayed(world):
    change = propose(world, changed(without=("DY8",)), by="registrar", run=False)
    assert waiting(world, "rules") == {}, "its replay is not done"
    run_queued()
    told = [str(change)]
    officers = {"compliance": told, "compliance2": told}
    found = waiting(world, "rules")
    assert {name: found[name] for name in officers} == officers
    assert {"approver", "approver2"} <= set(found)
    assert "registrar" not in found
    assert "validator" not in found


def test_what_fills_one_queue_hides_no_other_and_is_cut_after_it_was_judged(world, monkeypatch, client):
    monkeypatch.setattr(waits, "MOST", 2)
    for name in ("curator", "steward", "other_developer"):
        request_duty(world, person=name, duty="monitor")
    acts.request_reset(
        world.administrator, with_address(world, "author"), what="password", reason="Forgot it"
    )
    found = {each.queue.key: each for each in queues_for(as_actor(world.compliance))}
    assert {key: (len(each.mine), each.more) for key, each in found.items()} == {
        "duties": (2, True),
        "resets": (1, False),
    }
    client.force_login(world.compliance, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/work/").content.decode().count("More requests for a duty wait than") == 1
    told = [(queue.key, len(able)) for queue, _record, _since, able in deciders()]
    assert sorted(told) == [("duties", 2)] * 3 + [("resets", 2)], "mails leave nothing off"


def test_what_is_not_theirs_uses_up_nothing_of_what_is_shown(world, monkeypatch):
    monkeypatch.setattr(waits, "MOST", 2)
    for name in ("curator", "steward", "colleague"):
        asked_service(world, name=name)
    monkeypatch.setattr(waits, "_item", _but(waits._item, ("curator", "steward")))
    [found] = queues_for(as_actor(world.compliance))
    assert ([item.record.name for item in found.mine], found.more) == (["colleague"], False)
    monkeypatch.setattr(waits, "ROUNDS", 1)
    [found] = queues_for(as_actor(world.compliance))
    assert (found.mine, found.blocked, found.more) == ((), (), True), "what was not looked at is said"


def _but(item, names):
    """Those are nobody's business."""
    return lambda actor, each, record, row: None if record.name in names else item(actor, each, record, row)
