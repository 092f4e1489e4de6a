"""The gate's rows lead to asking somebody whose they are; never who can do it, never of a moment past."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.urls import reverse

from apps.access.acts import end_assignment
from apps.access.models import Ask, Assignment
from apps.core import blobs
from apps.core.clock import now
from apps.registry.acts import write_intended_use
from tests.factories.data import FEATURES, onnx_model, train_csv
from tests.factories.doors import browser, text_of
from tests.factories.foundation import USE, data_version, registered_version

pytestmark = pytest.mark.django_db
LINK = re.compile(r'<a class="btn btn-s" href="(/ask/[^"]+)">([^<]+)<span class="vh">([^<]*)</span></a>')


@pytest.fixture
def version(world):
    """Registered; its intended use is written by the process expert and signed by nobody."""
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    train = data_version(world, "train", train_csv())
    given = {"artefact": blobs.put(onnx_model()), "features": FEATURES, "train": train, "use": use}
    return registered_version(world, label="0.9.0", **given)


def asks(person, version, **query) -> dict[str, tuple[str, str]]:
    """Act -> (address, words) of every Ask on the gate."""
    page = browser(person).get(reverse("web:version", args=["lotx", version.label]), query)
    found = LINK.findall(page.content.decode())
    return {address.split("/")[2]: (address, unescape(f"{words}{more}")) for address, words, more in found}


def test_a_row_that_waits_for_another_leads_to_asking_them(world, version):
    found = asks(world.author, version)
    address, words = found["registry.sign_intended_use_expert"]
    assert words.startswith("Ask Process Expert Person: ")
    author = browser(world.author)
    page = author.get(address)
    assert page.status_code == 200
    done = author.post(address, {"person": world.process_expert.pk, "idempotency_key": "k1"})
    assert done.status_code == 302
    asked = Ask.objects.get()
    assert (asked.act, asked.person, asked.asker) == (
        "registry.sign_intended_use_expert",
        world.process_expert,
        world.author,
    )
    work = text_of(browser(world.process_expert).get("/work/"))
    assert world.author.printed_name in work
    assert "request of a colleague" in work


def test_who_can_do_it_is_not_sent_to_ask(world, version):
    assert "registry.sign_intended_use_expert" not in asks(world.process_expert, version)


def test_who_does_not_see_the_version_is_asked_nothing(world, version):
    page = browser(world.stranger).get(reverse("web:version", args=["lotx", version.label]))
    assert page.status_code == 404


def test_nobody_is_asked_where_nobody_can(world, version):
    for held in Assignment.objects.active().filter(duty="process_expert", scope_id=world.model.pk):
        end_assignment(world.owner, held.pk, reason="Leaves the team")
    assert "registry.sign_intended_use_expert" not in asks(world.author, version)


def test_nothing_is_asked_of_a_moment_past_and_by_no_inspector(world, version):
    assert asks(world.author, version, **{"as-of": now().isoformat()}) == {}
    assert asks(world.inspector, version) == {}
