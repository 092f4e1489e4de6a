"""Stages of shared evidence stand in savepoints, one inside the other: going back, what came later is gone."""

from __future__ import annotations

import pytest
from django.db import connection

from apps.core.models import Counter
from tests import evidence_base
from tests.evidence_base import Base

MANY = 10**6  # no counter of the world got there


@pytest.fixture
def base(monkeypatch):
    """A base of which each stage makes one row with its name."""
    built: list[str] = []

    def made(stage: str) -> str:
        if stage == "high_gate":
            raise LookupError("no board")
        Counter.objects.create(kind=stage, last=MANY + len(built))
        built.append(stage)
        return f"made {stage}"

    monkeypatch.setattr(evidence_base, "_made", made)
    found = Base()
    found.built = built
    yield found
    found.leave()


def there() -> list[str]:
    return list(Counter.objects.filter(last__gte=MANY).order_by("last").values_list("kind", flat=True))


@pytest.mark.django_db(transaction=True)
def test_stages_go_on_from_one_another_and_back(base):
    base.enter("locked")
    assert (base.stage, base.made) == ("locked", "made locked")
    assert there() == ["frozen", "drafted", "locked"]
    base.enter("reported")
    assert base.built == ["frozen", "drafted", "locked", "run", "reported"], "each was built once"
    base.enter("drafted")
    assert (there(), base.made) == (["frozen", "drafted"], "made drafted")
    assert base.built[5:] == [], "nothing is built again to go back"
    base.enter("gate")
    assert there()[-1] == "gate"
    base.enter("matrix")
    assert there()[-2:] == ["reported", "matrix"], "beside the gate, not after it"
    base.enter(None)
    assert (there(), base.stage, base.made) == ([], None, None)
    assert "close" not in vars(connection), "the connection closes again as it did"


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_made_leaves_nothing(base):
    with pytest.raises(LookupError, match="no board"):
        base.enter("high_gate")
    assert (there(), base.stage) == ([], None)
    assert "close" not in vars(connection)
