"""Passwords known from breaches: the common ones by heart, the rest in a file that is searched by halves."""

from __future__ import annotations

import hashlib

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from apps.access.acts import set_password
from apps.accounts.breached import in_file, is_common, usable_file
from apps.core.errors import BadInput
from tests.access.telling import refused


def hashed(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.fixture
def listed(tmp_path, settings):
    """A list of 1,000 passwords."""
    path = tmp_path / "pwned.txt"
    lines = sorted(f"{hashed(f'breached phrase {n}')}:{n + 1}" for n in range(1000))
    path.write_bytes("\r\n".join(lines).encode())
    settings.BREACHED_PASSWORDS_FILE = str(path)
    return path


@pytest.mark.parametrize(
    "password",
    ["password1234", "1234password!!", "Qwerty123456", "aaaaaaaaaaaaaaa", "121212121212", "!!!iloveyou!!!"],
)
def test_common_ones_are_known_with_what_is_put_around_them(password):
    assert is_common(password)


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "a phrase that only Nina knows", "zażółć gęślą jaźń"]
)
def test_phrases_are_not(password):
    assert not is_common(password)


def test_every_listed_password_is_found_and_no_other(listed):
    assert all(in_file(f"breached phrase {n}", listed) for n in range(1000))
    assert not any(in_file(f"breached phrase {n}", listed) for n in range(1000, 2000))


@pytest.mark.parametrize("content", ["", f"{hashed('only one phrase here')}:3\n"])
def test_short_lists(tmp_path, content):
    path = tmp_path / "short.txt"
    path.write_text(content)
    assert in_file("only one phrase here", path) is bool(content)
    assert not in_file("another phrase", path)


def test_the_check_of_the_file(listed, settings, tmp_path):
    assert usable_file() == []
    settings.BREACHED_PASSWORDS_FILE = ""
    assert usable_file() == []
    settings.BREACHED_PASSWORDS_FILE = str(tmp_path / "none.txt")
    assert [each.id for each in usable_file()] == ["accounts.E001"]
    for number, content in enumerate(
        (b"", b"password\n" * 50, b"\n".join(reversed(listed.read_bytes().split(b"\r\n"))))
    ):
        wrong = tmp_path / f"{number}.txt"
        wrong.write_bytes(content)
        settings.BREACHED_PASSWORDS_FILE = str(wrong)
        assert [each.id for each in usable_file()] == ["accounts.E002"]


@pytest.mark.django_db
def test_nobody_chooses_one(world, listed):
    for password in ("breached phrase 7", "password123456", "short", "author person"):
        with refused(BadInput, "input", act="access.set_password", by=world.author) as caught:
            set_password(world.author, world.author.pk, password=password)
        assert set(caught.value.fields) == {"password"}
    validate_password("no composition is asked for", world.author)
    with pytest.raises(ValidationError):
        validate_password("Author.Person", world.author)
