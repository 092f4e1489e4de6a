"""Search: references jump, words find what one may see, nothing tells of what is hidden."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.access.models import Assignment
from apps.access.refs import resolve
from tests.factories.data import train_csv
from tests.factories.foundation import data_version, signed_use

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def find(world):
    def ask(person: str, words: str):
        client = Client()
        client.force_login(world.people[person], backend=BACKEND)
        return client.get(reverse("web:search"), {"q": words})

    return ask


def hits(answer) -> set[str]:
    assert answer.status_code == 200
    html = answer.content.decode()
    return set(re.findall(r'<li><a href="([^"]+)">', html.split("<main")[1].split("<footer")[0]))


def test_a_reference_leads_straight_to_its_record(find, world):
    held = Assignment.objects.get(person=world.monitor, duty="monitor")
    answer = find("author", held.ref.lower())
    assert (answer.status_code, answer.url) == (302, reverse("web:model_people", args=["lotx"]))
    answer = find("compliance", "@author")
    assert (answer.status_code, answer.url) == (302, reverse("web:person", args=["author"]))


def test_references_are_resolved_for_who_may_see_the_record(world):
    use = signed_use(world)
    data = data_version(world, "train", train_csv())
    for text, record in (
        ("lotx", world.model),
        ("LOTX", world.model),
        ("trial", world.dataset),
        (use.ref, use),
        (data.ref, data),
        (data.file_digest, data),
        (f"registry.model:{world.model.pk}", world.model),
        ("@author", world.author),
    ):
        assert resolve(world.author, text) == [record], text
        assert resolve(world.stranger, text) == [], text
    for text in ("visc", "plant", f"registry.model:{world.other_model.pk}", "@owner", "R-1", "P-999"):
        assert resolve(world.author, text) == [], text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "R-",
        "R-99999999999999999999",
        "trial/v99999999999999",
        "a\x00b",
        "x" * 500,
        "sha256:00",
        "/",
        "'; --",
        "no.kind:3",
    ],
)
def test_odd_references_find_nothing(world, text):
    assert resolve(world.compliance, text) == []


def test_words_find_exactly_what_one_may_see(find, world):
    assert "Lot release classifier" in find("author", "classifier").content.decode()
    assert hits(find("compliance", "other owner")) == {reverse("web:person", args=["other_owner"])}
    assert hits(find("author", "person")) == {reverse("web:person", args=["author"])}
    assert hits(find("author", "viscosity")) == set()
    assert "Nothing you may see is called" in find("author", "viscosity").content.decode()
    assert hits(find("stranger", "classifier")) == set()


def test_without_words_the_page_explains_references(find, world):
    for words in ("", "x", "no such thing"):
        html = find("author", words).content.decode()
        assert "References that lead straight to a record" in html
    assert "&lt;script&gt;" in find("author", "<script>").content.decode()
