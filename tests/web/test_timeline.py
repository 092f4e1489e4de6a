"""The stream of a version: all of it, its signatures, its changes; what the portal does in a row lies together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.access.actors import Actor
from apps.core import blobs
from apps.registry.acts import write_intended_use
from apps.web.timeline import gathered, shown, timeline
from tests.factories.data import FEATURES, onnx_model, train_csv
from tests.factories.doors import browser, text_of
from tests.factories.evidence import validated_world
from tests.factories.foundation import USE, data_version, registered_version

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("locked")]
PAGE = "/models/lotx/1.0.0/"


@pytest.fixture
def version(world):
    return validated_world(world, until="locked").version


def lines(world, version, show="all"):
    return timeline(Actor.of(world.owner), version, limit=100, show=show)


def test_signatures_and_changes_are_all_of_what_was_done(world, version):
    browser(world.stranger).get(PAGE)
    every = lines(world, version)
    signed = [line for line in every if line.signed]
    changed = [line for line in every if not line.signed and not line.refused]
    assert signed
    assert changed
    assert lines(world, version, "signatures") == signed
    assert lines(world, version, "changes") == changed


def test_what_the_portal_does_in_a_row_is_one_part(world, version):
    line = lines(world, version)[0]
    by_hand, by_portal = replace(line, machine=False), replace(line, machine=True)
    assert gathered([by_hand, by_portal, by_portal, by_hand, by_hand, by_portal]) == [
        [by_hand],
        [by_portal, by_portal],
        [by_hand],
        [by_hand],
        [by_portal],
    ]
    assert gathered([]) == []


@pytest.mark.parametrize("wanted", ["", "all", "nonsense", "signatures,changes", "\u0000"])
def test_what_is_no_choice_shows_everything(wanted):
    assert shown(wanted) == "all"


@pytest.mark.parametrize("page", [PAGE, f"{PAGE}audit/"])
def test_the_page_says_what_it_shows_and_keeps_what_else_was_asked(world, version, page):
    client = browser(world.owner)
    whole = client.get(page)
    assert '<span aria-current="true">All</span>' in whole.content.decode()
    answer = client.get(page, {"timeline": "signatures", "other": "1"})
    body = answer.content.decode()
    assert '<span aria-current="true">Signatures</span>' in body
    assert 'href="?other=1#tl">All' in body
    assert 'href="?timeline=changes&amp;other=1#tl">Changes' in body
    said = [line.told for line in lines(world, version, "signatures")]
    assert all(told in text_of(answer) for told in said)
    frozen = next(line.told for line in lines(world, version, "changes") if line.ref == version.ref)
    assert frozen in text_of(whole)
    assert body.count("entry ") == len(said) < whole.content.decode().count("entry ")


@pytest.mark.evidence(None)
def test_no_signature_yet_is_said(world):
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    train = data_version(world, "train", train_csv())
    registered_version(
        world, label="1.0.0", artefact=blobs.put(onnx_model()), features=FEATURES, train=train, use=use
    )
    told = text_of(browser(world.owner).get(PAGE, {"timeline": "signatures"}))
    assert "No signatures that you may see." in told
