"""What the author made stays theirs: no other name, waiver, upload of it or version made from it opens a gate."""

from __future__ import annotations

import pytest

from apps.access import acts
from apps.access.actors import Actor
from apps.access.gate import Judge
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.accounts.models import User
from apps.core import blobs
from apps.core.errors import BadInput, Conflict
from apps.trail.models import Signature
from tests.access.telling import refused
from tests.access.test_waivers import ask, granted
from tests.approvals.test_acts import sign
from tests.cast import give
from tests.factories.data import FEATURES, onnx_model
from tests.factories.doors import token_api
from tests.factories.foundation import registered_version

pytestmark = pytest.mark.evidence("gate")
SIGN = "approvals.sign_approval"


def moved_to_quality(world, name: str) -> None:
    """No longer a developer, and by a second duty an approver."""
    for held in Assignment.objects.active().filter(person=world.people[name], duty="developer"):
        acts.end_assignment(world.owner, held.pk, reason="Moves to quality assurance")
    give(world, name, "approver", world.model)


def stands_in_the_way(version, person) -> str:
    broken = Judge(version).separation(person, policy(SIGN))
    return broken.rule.id if broken else ""


def test_a_renamed_account_is_the_person_it_was(world, gate):
    moved_to_quality(world, "author")
    asked = acts.request_correction(
        world.administrator,
        world.author.pk,
        printed_name="Zoe Zander",
        email="zz@example.org",
        reason="Married",
    )
    acts.approve_correction(world.compliance, asked.pk)
    acts.confirm_identity(world.registrar, world.author.pk, how="document")
    world.people["author"] = User.objects.get(pk=world.author.pk)
    assert world.author.printed_name == "Zoe Zander"
    with refused(Conflict, "DY2", act=SIGN, by=world.author) as caught:
        sign(world, gate, "approval", who="author")
    assert caught.value.fact.startswith("You ")
    assert "Zoe Zander" not in caught.value.who
    assert not Signature.objects.filter(subject_kind="approvals.slot").exists()


def test_the_username_of_the_author_is_not_given_to_anybody(world):
    """A second account under a name that reads the same is refused, so that no second person is made of one."""
    for username, printed_name in (
        ("author", "Nina Novak"),
        ("AUTHOR", "Nina Novak"),
        ("author.two", world.author.printed_name.upper()),
    ):
        with pytest.raises(BadInput):
            acts.create_account(
                world.administrator, username=username, printed_name=printed_name, email="nina@example.org"
            )
    with pytest.raises(BadInput):  # nor does a correction give it
        acts.request_correction(
            world.administrator, world.stranger.pk, printed_name=world.author.printed_name, reason="Typo"
        )


def test_no_waiver_opens_the_approval_to_the_author(world, gate):
    with pytest.raises(BadInput) as caught:
        ask(world, rule="DY2")
    assert set(caught.value.fields) == {"rule"}
    # The waiver that can be had (ST3) lets them hold both duties, and approve nothing that they made.
    granted(world, rule="ST3")
    give(world, "author", "approver", world.model)
    with refused(Conflict, "DY2", act=SIGN, by=world.author):
        sign(world, gate, "approval", who="author")
    with pytest.raises(BadInput):  # nor for this version alone
        ask(world, rule="DY2", version_id=gate.version_id)
    assert not Signature.objects.filter(subject_kind="approvals.slot").exists()


def test_what_the_author_made_counts_under_another_upload(world, gate):
    """A colleague registers it and names only themselves: the same bytes, and what was made from them."""
    first = gate.version
    given = {
        "features": FEATURES,
        "train": first.data.get().dataset_version,
        "use": first.intended_use,
        "by": "colleague",
        "author_ids": [world.colleague.pk],
    }
    same = registered_version(
        world, label="2.0.0", artefact=blobs.put(blobs.path(first.artefact_digest).read_bytes()), **given
    )
    assert same.artefact_digest == first.artefact_digest
    changed = registered_version(
        world, label="2.1.0", artefact=blobs.put(onnx_model("made from it")), parent_id=first.pk, **given
    )
    assert changed.artefact_digest != first.artefact_digest
    moved_to_quality(world, "author")
    for version in (first, same, changed):
        assert stands_in_the_way(version, world.author) == "DY2", version
        assert stands_in_the_way(version, world.approver) == ""
        assert world.author not in Judge(version).eligible(policy(SIGN))


def test_an_import_counts_as_the_work_of_whose_token_it_was(world, gate):
    """Registered from a pipeline: the owner of the token is a maker, whoever is declared."""
    first = gate.version
    token = acts.create_token(world.author, name="ci", days=1)
    world.people["pipeline"] = Actor(user=world.author, via="api", token=token)
    version = registered_version(
        world,
        label="3.0.0",
        artefact=blobs.put(onnx_model("from a pipeline")),
        features=FEATURES,
        train=first.data.get().dataset_version,
        use=first.intended_use,
        by="pipeline",
        author_ids=[world.colleague.pk],
    )
    assert {row.person.username for row in version.authors.all()} == {"author", "colleague"}
    moved_to_quality(world, "author")
    assert stands_in_the_way(version, world.author) == "DY2"
    # A token signs nothing, its owner's approval neither.
    answer = token_api(world.author).post(f"/api/v1/slots/{gate.slots.get(code='approval').pk}/sign", {})
    assert answer.status_code == 403
