"""What a seat on a board does not open, on the pages and by the API: the trail, other versions, a hidden parent.

And what others read of the training of who sits there.
"""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from apps.access.training import BOARD
from apps.approvals import acts
from apps.approvals.templates import template_for
from apps.core import blobs
from apps.quality.acts import open_deviation
from apps.quality.models import TrailReview
from apps.registry.models import Version
from apps.registry.states import WORDS, State
from tests.access.test_training import adopt, record
from tests.approvals.boards import founded, planned
from tests.factories.data import FEATURES, onnx_model
from tests.factories.doors import browser, session_api, text_of
from tests.factories.evidence import validated_world
from tests.factories.foundation import registered_version

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("reported")]
PARENT, NEWEST = "0.7-hidden", "9.9-hidden"


@pytest.fixture
def asked(world, monkeypatch) -> Version:
    """The board is asked about 1.0.0, made from another version; the newest is a third. Deviations on all three."""
    monkeypatch.setattr(acts, "template_for", lambda _tier: template_for("high"))
    made = validated_world(world)
    given = {"features": FEATURES, "train": made.train, "use": made.use}
    others = [
        registered_version(world, label=label, artefact=blobs.put(onnx_model(label)), **given)
        for label in (PARENT, NEWEST)
    ]
    for each in (made.version, *others):
        open_deviation(world.validator, each.pk, title="Noted", description="Seen in review.", blocking=False)
    planned(world, acts.open_gate(world.owner, made.version.pk), founded(world))
    Version.objects.filter(pk=made.version.pk).update(parent=others[0])
    Version.objects.filter(pk=others[0].pk).update(state="released")
    return Version.objects.select_related("model").get(pk=made.version.pk)


def shown(version: Version, section: str = "") -> str:
    where = [version.model.slug, version.label]
    if not section:
        return reverse("web:version", args=where)
    return reverse("web:section", args=[*where, section])


def entries(response) -> list[str]:
    return re.findall(r">entry (\d+)<", response.content.decode())


@pytest.mark.parametrize("section", ["", "audit"])
def test_a_seat_reads_no_entry_of_the_trail_and_who_holds_a_duty_reads_all(world, asked, section):
    answer = browser(world.stranger).get(shown(asked, section))
    assert entries(answer) == []
    assert "Nothing that you may see. Who holds a duty on the model reads its trail." in text_of(answer)
    everything = entries(browser(world.compliance).get(shown(asked, section)))
    assert len(everything) >= 12
    for name in ("owner", "author", "approver", "monitor"):
        answer = browser(world.people[name]).get(shown(asked, section))
        assert entries(answer) == everything, name
        assert "Nothing that you may see." not in text_of(answer)


def test_a_seat_is_told_of_no_review_of_the_trail(world, asked):
    review = TrailReview.objects.get(version=asked)
    answer = browser(world.stranger).get(shown(asked, "audit"))
    assert "No review of the trail of this version that you may see." in text_of(answer)
    assert f"{review.ref} covers" not in text_of(answer)
    assert f"came after what {review.ref}" not in text_of(answer)
    assert review.ref in text_of(browser(world.owner).get(shown(asked, "audit")))


def test_the_inventory_tells_a_seat_of_the_version_that_is_asked_about_alone(world, asked):
    page = text_of(browser(world.stranger).get(reverse("web:models")))
    assert "Lot release classifier" in page
    assert f"1.0.0 {WORDS[State(asked.state)]}" in page
    for label in (PARENT, NEWEST):
        assert label not in page
    whole = text_of(browser(world.owner).get(reverse("web:models")))
    assert NEWEST in whole
    assert PARENT in whole  # what is released
    (row,) = session_api(world.stranger).get("/api/v1/models").json()["results"]
    told = ("newest_version", "newest_state", "released_version", "open_deviations")
    assert [row[name] for name in told] == ["1.0.0", asked.state, None, 1]
    one = session_api(world.stranger).get("/api/v1/models/lotx").json()
    assert [one[name] for name in told] == ["1.0.0", asked.state, None, 1]
    (row,) = session_api(world.owner).get("/api/v1/models").json()["results"]
    assert [row[name] for name in told] == [NEWEST, "registered", PARENT, 3]


def test_the_inventory_is_not_filtered_or_exported_by_what_is_hidden(world, asked):
    client = browser(world.stranger)
    models = reverse("web:models")
    assert "Lot release classifier" not in text_of(client.get(models, {"state": "registered"}))
    assert "Lot release classifier" in text_of(client.get(models, {"state": asked.state}))
    assert session_api(world.stranger).get("/api/v1/models?state=registered").json()["results"] == []
    exported = b"".join(client.get(models, {"format": "csv"}).streaming_content).decode()
    assert "lotx" in exported
    assert "hidden" not in exported


def test_a_hidden_parent_is_named_on_no_page_and_by_no_call(world, asked):
    hidden = "a version you may not see"
    pages = [shown(asked), shown(asked, "lineage"), shown(asked, "documents"), "/models/lotx/"]
    for page in pages:
        answer = browser(world.stranger).get(page)
        assert answer.status_code == 200
        assert PARENT not in answer.content.decode(), page
        assert hidden in text_of(answer), page
        assert PARENT in text_of(browser(world.owner).get(page)), page
    for call in ("/api/v1/versions", f"/api/v1/versions/{asked.pk}"):
        answer = session_api(world.stranger).get(call)
        assert answer.status_code == 200
        assert PARENT not in answer.content.decode(), call
        assert hidden in answer.content.decode(), call
        assert f"lotx/{PARENT}" in session_api(world.owner).get(call).content.decode()


def test_an_administrator_reads_no_hidden_model_in_the_training_of_members(world, asked):
    adopt(world, {BOARD: ["limits_user"]})
    record(world, "stranger", "limits_user", model_id=asked.model_id)
    page = reverse("web:person", args=["stranger"])
    told = text_of(browser(world.administrator).get(page))
    assert f": model no. {asked.model_id}" in told
    assert "lotx" not in told
    for reader in ("stranger", "compliance"):
        assert ": lotx" in text_of(browser(world.people[reader]).get(page)), reader
    (row,) = session_api(world.administrator).get("/api/v1/trainings").json()["results"]
    assert row["model"] == f"model no. {asked.model_id}"
    for reader in ("stranger", "compliance"):
        (row,) = session_api(world.people[reader]).get("/api/v1/trainings").json()["results"]
        assert row["model"] == "lotx"
