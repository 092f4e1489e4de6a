"""Models and their intended use in the browser."""

from __future__ import annotations

import html

import pytest
from django.test import Client
from django.urls import reverse

from apps.access.signing import content_digest
from apps.registry.acts import register_model, write_intended_use
from apps.registry.models import IntendedUse, Model
from apps.trail.models import Entry
from tests.cast import PASSWORD
from tests.factories.foundation import USE
from tests.web.changing import confirm

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def signed_in(world):
    def enter(person: str) -> Client:
        client = Client()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


def text_of(response) -> str:
    return html.unescape(response.content.decode())


def listed(response) -> set[int]:
    return {row.pk for row in response.context["listing"].page.object_list}


def new_model(world, **changes) -> dict:
    return {
        "slug": "visc2",
        "name": "Viscosity, second line",
        "owner_id": world.owner.pk,
        "idempotency_key": "k1",
    } | changes


def use_input(**changes) -> dict:
    given = {k: v for k, v in USE.items() if not isinstance(v, bool)}
    ticked = {k: "on" for k, v in USE.items() if v is True}
    return given | ticked | {"reason": "First statement", "idempotency_key": "k2"} | changes


def test_the_list_shows_each_person_the_models_of_their_duties_and_no_other(world, signed_in):
    both = {world.model.pk, world.other_model.pk}
    assert listed(signed_in("author").get(reverse("web:models"))) == {world.model.pk}
    assert listed(signed_in("other_developer").get(reverse("web:models"))) == {world.other_model.pk}
    assert listed(signed_in("inspector").get(reverse("web:models"))) == both
    nothing = signed_in("stranger").get(reverse("web:models"))
    assert listed(nothing) == set()
    assert "/api/v1/models" in text_of(nothing), "the empty state shows the API"


def test_the_list_filters_by_tier_and_name_and_a_bad_filter_shows_nothing(world, signed_in):
    write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    client, address = signed_in("inspector"), reverse("web:models")
    assert listed(client.get(address, {"tier": "medium"})) == {world.model.pk}
    assert listed(client.get(address, {"tier": "high"})) == set()
    assert listed(client.get(address, {"q": "visc"})) == {world.other_model.pk}
    bad = client.get(address, {"tier": "none"})
    assert bad.status_code == 422
    assert listed(bad) == set()


def test_the_list_takes_the_same_queries_for_any_number_of_models(
    world, signed_in, django_assert_num_queries
):
    client, address = signed_in("registrar"), reverse("web:models")
    client.get(address)
    with django_assert_num_queries(6):
        client.get(address)
    for number in range(3):
        register_model(world.registrar, slug=f"more{number}", name="More", owner_id=world.owner.pk)
    with django_assert_num_queries(6):
        assert len(listed(client.get(address))) == 5


def test_a_registrar_registers_a_model_and_a_double_click_registers_one(world, signed_in):
    client = signed_in("registrar")
    first = client.post(reverse("web:model_register"), new_model(world))
    again = client.post(reverse("web:model_register"), new_model(world))
    made = Model.objects.get(slug="visc2")
    for response in (first, again):
        assert (response.status_code, response["Location"]) == (302, reverse("web:model", args=["visc2"]))
    assert made.history.count() == 1
    assert "Viscosity, second line" in text_of(client.get(reverse("web:model", args=["visc2"])))


def test_bad_input_stays_on_the_page_beside_its_field(world, signed_in):
    response = signed_in("registrar").post(reverse("web:model_register"), new_model(world, slug="lotx"))
    assert response.status_code == 422
    assert response.context["form"].errors["slug"] == ["A model has this short name already."]
    assert "Viscosity, second line" in text_of(response), "what was typed stays"


def test_who_may_not_register_is_refused_with_names_and_the_attempt_is_in_the_trail(world, signed_in):
    client = signed_in("author")
    page = client.get(reverse("web:model_register"))
    assert page.status_code == 403
    assert "Registrar Person" in text_of(page)
    assert world.people["curator"].printed_name not in text_of(page), (
        "no list of people for who may not choose"
    )
    refused = client.post(reverse("web:model_register"), new_model(world))
    assert refused.status_code == 403
    assert not Model.objects.filter(slug="visc2").exists()
    entry = Entry.objects.filter(act="registry.register_model", kind="refusal").latest("id")
    assert entry.actor_uuid == str(world.author.uuid)


def test_a_hidden_model_is_not_there(world, signed_in):
    client = signed_in("author")
    for name, args in (
        ("web:model", ["visc"]),
        ("web:intended_use_new", ["visc"]),
        ("web:intended_use", ["visc", 1]),
        ("web:version_register", ["visc"]),
    ):
        assert client.get(reverse(name, args=args)).status_code == 404, name


def test_the_process_expert_writes_the_intended_use_and_both_sign_it_in_the_browser(world, signed_in):
    expert = signed_in("process_expert")
    address = reverse("web:intended_use_new", args=["lotx"])
    response = confirm(expert, address, use_input(reason_code="knowledge"))
    use = IntendedUse.objects.get(model=world.model)
    assert response["Location"] == reverse("web:intended_use", args=["lotx", 1])
    assert (use.tier, use.written_by, use.affects_people) == (
        "medium",
        world.process_expert,
        USE["affects_people"],
    )
    entry = Entry.objects.filter(act="registry.write_intended_use").latest("id")
    assert '"New knowledge or evidence: First statement"' in entry.body
    for person, act in (("process_expert", "expert"), ("owner", "owner")):
        sign = reverse("web:sign", args=[f"registry.sign_intended_use_{act}", use.pk])
        client = signed_in(person)
        assert sign in text_of(client.get(reverse("web:intended_use", args=["lotx", 1])))
        done = client.post(
            sign,
            {
                "digest": content_digest(use),
                "password": PASSWORD,
                "decision": "approved",
                "idempotency_key": f"sign-{act}",
            },
        )
        assert done.status_code == 302
    shown = text_of(signed_in("author").get(reverse("web:intended_use", args=["lotx", 1])))
    assert shown.count("VALID") == 2
    assert "Process Expert Person" in shown
    assert "Owner Person" in shown


def test_the_next_number_is_prefilled_and_the_old_one_stays(world, signed_in):
    write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    client, address = signed_in("process_expert"), reverse("web:intended_use_new", args=["lotx"])
    assert USE["question"] in text_of(client.get(address))
    later = use_input(consequence="high", reason="A second site", reason_code="use")
    shown = client.post(address, later)
    table = text_of(shown).split("What will change")[1]
    assert "consequence" in table
    assert "nothing is saved yet" in table
    assert IntendedUse.objects.count() == 1
    assert client.post(address, {**later, "confirmed": "sha256:0"}).status_code == 422  # not what was shown
    assert IntendedUse.objects.count() == 1
    confirm(client, address, later)
    tiers = IntendedUse.objects.filter(model=world.model).values_list("number", "tier")
    assert set(tiers) == {(1, "medium"), (2, "high")}
    assert "There is a newer one" in text_of(client.get(reverse("web:intended_use", args=["lotx", 1])))


def test_an_unfinished_intended_use_says_what_is_missing_and_keeps_what_was_typed(world, signed_in):
    client = signed_in("process_expert")
    response = client.post(
        reverse("web:intended_use_new", args=["lotx"]), use_input(limits="", raised_by_one="on")
    )
    errors = response.context["form"].errors
    assert response.status_code == 422
    assert errors["limits"] == ["Say what the model does not do well."]
    assert USE["purpose"] in text_of(response)
    response = client.post(
        reverse("web:intended_use_new", args=["lotx"]), use_input(raised_by_one="on", reason_code="use")
    )
    assert "raised_rationale" in response.context["form"].errors
    assert not IntendedUse.objects.exists()


def test_a_developer_may_not_write_the_intended_use(world, signed_in):
    client, address = signed_in("author"), reverse("web:intended_use_new", args=["lotx"])
    assert client.get(address).status_code == 403
    refused = client.post(address, use_input())
    assert refused.status_code == 403
    assert "Process Expert Person" in text_of(refused)
    assert not IntendedUse.objects.exists()
