"""The name printed beside a signature: one that can be read, and told from everybody else's."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from apps.access.sharing import once
from apps.accounts.models import User

ADDRESS_TAKEN = "Somebody else has this address. A link must reach its person and nobody else."
NAME_NEEDED = "Enter the name as it is to be printed beside signatures."
NAME_HIDES = "Use letters that can be seen: the name holds a character that hides or reorders text."
NAME_TAKEN = (
    "Somebody else has this name. Add a middle name or a title, "
    "so that their signatures can be told from each other."
)
NAME_MIXES = "Write the name in one alphabet: it mixes {0} letters, which look alike."
# Alphabets whose letters are taken for each other's, and the letters (small, or the capitals they are of) that are.
ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
_LIKE = str.maketrans("авекмнорстухіјѕӏԁԛԝүһαβεζηικμνορτυχ", "abekmhopctyxijsldqwyhabezhikmnoptyx")
# Letters and marks that show nothing; all other hidden characters are "not printable" in Unicode.
_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(c) for c in range(0xFE00, 0xFE10)
}


def name_problem(name: str, others: Iterable[str] = (), *, besides: User | None = None) -> str:
    """What is wrong with a printed name, as a sentence; empty if nothing.

    others: names given in the same act. besides: the person whose name it becomes, who may keep its letters.
    """
    if not name.strip():
        return NAME_NEEDED
    if not name.strip().isprintable() or _EMPTY & set(name):
        return NAME_HIDES
    if len(mixed := alphabets(name)) > 1:
        return NAME_MIXES.format(" and ".join(mixed))
    taken = [given for pk, given, _email in in_use() if besides is None or pk != besides.pk]
    return NAME_TAKEN if _read(name) in {_read(other) for other in (*taken, *others)} else ""


def in_order() -> None:
    """Names and addresses are given one act after the other: two that each saw the other's name free are put in order.

    The lock is the oldest account, the portal's own. It comes before any other lock, and stops no row that names it.
    """
    first = User.objects.select_for_update(no_key=True).filter(is_service=True).order_by("pk")
    list(first.values_list("pk", flat=True)[:1])


def address_taken(email: str, *, besides: User | None = None) -> bool:
    """Whether somebody whose account is in use has this address, in any case."""
    given = [other for pk, _name, other in in_use() if besides is None or pk != besides.pk]
    return email.casefold() in {other.casefold() for other in given}


def in_use() -> list[tuple[int, str, str]]:
    """Id, printed name and address of all whose accounts are in use; a page that judges many reads them once."""
    rows = User.objects.filter(is_active=True)
    return once("names in use", lambda: list(rows.values_list("pk", "printed_name", "email")))


def alphabets(name: str) -> list[str]:
    """Which of the alphabets that look alike a name has letters of: `["Cyrillic", "Latin"]`."""
    told = (
        unicodedata.name(letter, "") for letter in unicodedata.normalize("NFKC", name) if letter.isalpha()
    )
    return sorted({word.title() for word in (each.partition(" ")[0] for each in told) if word in ALPHABETS})


def _read(name: str) -> str:
    """The name as an eye reads it: no case, one form per letter and for letters that look alike, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().translate(_LIKE).split())
