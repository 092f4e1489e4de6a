"""Entered text: what no eye sees in it is refused with its place, whatever the door."""

from __future__ import annotations

import pytest

from apps.core.entered import Entered, unseen
from apps.core.errors import BadInput


@pytest.mark.parametrize(
    "point", [0x00, 0x01, 0x08, 0x0B, 0x1B, 0x1F, 0x7F, 0x202A, 0x202E, 0x2066, 0x2069], ids="{:04X}".format
)
def test_what_nobody_sees_is_refused_with_its_place(point):
    given = Entered("Not done.")
    given.text("title", f"ab{chr(point)}cd")
    with pytest.raises(BadInput) as told:
        given.done()
    assert told.value.fields == {
        "title": [
            f"The text holds a character that nobody sees (U+{point:04X}), after 2 characters. Type that place anew."
        ]
    }


def test_text_in_another_encoding_is_told_to_have_lost_letters():
    sent = "Müller".encode("latin-1").decode("utf-8", "replace")
    assert unseen(sent) == "a character that was lost on its way (U+FFFD), after 1 characters"


@pytest.mark.parametrize(
    "text", ["two\nlines\tand a tab\r\n", "Łódź, 東京, עברית", "👩‍🔬", "non\u00adbreaking"]
)
def test_letters_of_every_language_stay(text):
    assert unseen(text) == ""
    assert Entered("Not done.").text("title", text) == text.strip()
