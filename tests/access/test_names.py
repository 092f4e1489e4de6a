"""Printed names: readable, and told from each other."""

from __future__ import annotations

import pytest

from apps.access.acts import create_account, deactivate_account
from apps.access.acts.names import NAME_HIDES, NAME_MIXES, NAME_TAKEN, name_problem
from apps.core.errors import BadInput
from portal.demo.people import PEOPLE

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("hidden", "\x01\n\u202e\u2066\u200e\u200f\u200b\u200d\ufeff\u00ad\u3164\ud800")
def test_a_name_with_hidden_characters_is_refused(world, hidden):
    with pytest.raises(BadInput) as refused:
        create_account(
            world.administrator, username="nnovak", printed_name=f"Nina{hidden}Novak", email="n@example.org"
        )
    assert refused.value.fields == {"printed_name": [NAME_HIDES]}


@pytest.mark.parametrize("name", ["Author Person", "  AUTHOR   person ", "Ａuthor Person"])
def test_the_name_of_another_active_person_is_refused(world, name):
    with pytest.raises(BadInput) as refused:
        create_account(world.administrator, username="other", printed_name=name, email="o@example.org")
    assert refused.value.fields == {"printed_name": [NAME_TAKEN]}
    assert "middle name" in NAME_TAKEN
    deactivate_account(world.administrator, world.author.pk, reason="Left")
    assert create_account(world.administrator, username="other", printed_name=name, email="o@example.org").pk


@pytest.mark.parametrize(
    ("name", "mixed"),
    [
        ("Аuthor Person", "Cyrillic and Latin"),
        ("Author Реrson", "Cyrillic and Latin"),
        ("Authοr Person", "Greek and Latin"),
    ],
)
def test_letters_of_two_alphabets_that_look_alike_are_refused(world, name, mixed):
    """The first letter of each is another alphabet's: nobody could tell the signatures apart."""
    with pytest.raises(BadInput) as refused:
        create_account(world.administrator, username="other", printed_name=name, email="o@example.org")
    assert refused.value.fields == {"printed_name": [NAME_MIXES.format(mixed)]}


def test_a_name_wholly_in_letters_that_look_like_anothers_is_taken(world):
    assert name_problem("НАТЕ СОРЕ", ["Hate Cope"]) == NAME_TAKEN  # Cyrillic
    assert name_problem("ΑΝΝΑ ΚΟΚΚΟ", ["Anna Kokko"]) == NAME_TAKEN  # Greek
    assert name_problem("Ольга Иванова", ["Olga Ivanova"]) == ""


def test_names_of_many_languages_and_of_the_demo_pass():
    for name in ("Zoë O’Brien-Núñez", "李 小龍", "Ольга Иванова", "محمد علي"):
        assert name_problem(name) == ""
    names = [person.printed_name for person in PEOPLE]
    for place, name in enumerate(names):
        assert name_problem(name, names[:place]) == ""
