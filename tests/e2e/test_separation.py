"""The author tries to approve their own version by every way there is: refused each time, recorded each time.

The page and the API say the same fact and rule for the same attempt.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from apps.access.acts import (
    approve_correction,
    confirm_identity,
    create_token,
    end_assignment,
    request_correction,
)
from apps.access.gate import Judge
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.access.signing import content_digest
from apps.approvals.acts import open_gate
from apps.approvals.models import Slot
from apps.core import blobs
from apps.core.errors import BadInput, Conflict
from apps.core.jobs import run_queued
from apps.core.rulewords import rule_words
from apps.registry.acts import freeze
from apps.trail.models import Entry, Signature
from tests.access.people import crowd
from tests.access.test_waivers import ask
from tests.cast import PASSWORD, give
from tests.e2e.browsing import Person
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.evidence import done_run, judged, locked_plan
from tests.factories.foundation import data_version, registered_version, signed_use

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Refusal:
    status: int
    fact: str
    rule: str


@pytest.fixture
def slot(world) -> Slot:
    """A gate on a version a colleague uploaded, naming the author among its makers."""
    train, test = data_version(world, "train", train_csv()), data_version(world, "test", vault_csv())
    version = registered_version(
        world,
        label="1.0.0",
        artefact=blobs.put(onnx_model()),
        features=FEATURES,
        train=train,
        use=signed_use(world),
        by="colleague",
    )
    version = freeze(world.colleague, version.pk)
    judged(world, done_run(world, locked_plan(world, version, test)))
    gate = open_gate(world.owner, version.pk)
    run_queued()
    return Slot.objects.select_related("gate__version__model", "gate__version__intended_use").get(
        gate=gate, code="approval"
    )


def refusals_of(user) -> int:
    return Entry.objects.filter(
        kind="refusal", act="approvals.sign_approval", actor_uuid=str(user.uuid)
    ).count()


def by_page(who: Person, slot: Slot) -> Refusal:
    """The form of the page, sent as the browser sends it, although the page does not offer it to them."""
    who.goes_to("/work/")
    answer = who.page.evaluate(
        """async ([address, digest, password]) => {
            const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
            const body = new URLSearchParams({csrfmiddlewaretoken: token, digest, password, decision: "approved",
                reason: "", idempotency_key: crypto.randomUUID()});
            const response = await fetch(address, {method: "POST", body});
            return [response.status, await response.text()];
        }""",
        [f"/sign/approvals.sign_approval/{slot.pk}/", content_digest(slot), PASSWORD],
    )
    who.faults.clear()  # the refusal's own status is what was asked for
    said = {
        part: html.unescape(re.sub(r"<[^>]+>", "", text))
        for part, text in re.findall(r'<p class="(what|fact|rule|who)">(.*?)</p>', answer[1], re.DOTALL)
    }
    return Refusal(answer[0], said["fact"], said["rule"])


def by_api(who: Person, slot: Slot, token: str = "") -> Refusal:
    """With the session of the browser and its CSRF token, or with an access token alone."""
    cookies = {each["name"]: each["value"] for each in who.context.cookies()}
    own = {"X-CSRFToken": cookies["csrftoken"], "Referer": f"{who.address}/"}
    context = who.context.request
    response = context.post(
        f"/api/v1/slots/{slot.pk}/sign",
        data={"digest": content_digest(slot), "password": PASSWORD},
        headers={"Authorization": f"Bearer {token}"} if token else own,
    )
    told = response.json()
    return Refusal(response.status, told["fact"], rule_words(told["rule"]))  # as a page words it


def test_no_way_leads_the_author_to_an_approval(world, slot, person):
    def tries(name: str, way, *more) -> Refusal:
        user = world.people[name]
        before = refusals_of(user)
        answer = way(person(name), slot, *more)
        assert refusals_of(user) == before + 1, "one attempt, one entry"
        assert Signature.objects.filter(subject_kind="approvals.slot").count() == 0
        return answer

    # As developer only: the duty is missing. The uploader was a colleague; the author is a declared maker.
    author_page = tries("author", by_page)
    assert author_page == tries("author", by_api)
    assert (author_page.status, author_page.rule) == (403, rule_words("duty"))

    # By token: no token signs, whoever owns it.
    for name in ("author", "approver"):
        token = create_token(world.people[name], name="ci", days=1).secret
        refused = tries(name, by_api, token)
        assert (refused.status, refused.rule) == (403, rule_words("21 CFR 11.200(a)(2)"))

    # With an administrator's account: it holds no duty on content, and does not even see the record.
    administrator = person("administrator")
    administrator.goes_to(f"/sign/approvals.sign_approval/{slot.pk}/", status=404)
    assert administrator.context.request.get(f"/api/v1/slots/{slot.pk}").status == 404

    # A second duty beside the first is refused; one after the other is not, but what they made still counts.
    for name in ("author", "colleague"):
        with pytest.raises(Conflict, match="cannot be given the duty QA approver"):
            give(world, name, "approver", world.model)
        for held in Assignment.objects.active().filter(person=world.people[name], duty="developer"):
            end_assignment(world.owner, held.pk, reason="Moves to quality assurance")
        give(world, name, "approver", world.model)
        page = tries(name, by_page)
        assert page == tries(name, by_api)
        assert page.status == 409
        assert page.rule.startswith("Rule DY")

    # Under another name it is the same account, and what it made is still its own.
    asked = request_correction(
        world.administrator, world.author.pk, printed_name="Zoe Zander", reason="Married"
    )
    approve_correction(world.compliance, asked.pk)
    confirm_identity(world.registrar, world.author.pk, how="document")
    page = tries("author", by_page)
    assert page == tries("author", by_api)
    assert page.rule.startswith("Rule DY2")

    # What they made counts wherever it is registered again, by whomever: the same bytes, or a version made from it.
    first = slot.gate.version
    crowd(world, ["registrant"])
    for parent in (world.model, world.dataset):
        give(world, "registrant", "developer", parent)
    again = registered_version(
        world,
        label="2.0.0",
        artefact=blobs.put(blobs.path(first.artefact_digest).read_bytes()),
        features=FEATURES,
        train=first.data.get().dataset_version,
        use=first.intended_use,
        by="registrant",
        author_ids=[world.registrant.pk],
        parent_id=first.pk,
    )
    assert Judge(again).separation(world.author, policy("approvals.sign_approval")).rule.id == "DY2"

    # A waiver of that rule cannot even be asked for.
    with pytest.raises(BadInput) as untouchable:
        ask(world, rule="DY2", by="owner")
    assert set(untouchable.value.fields) == {"rule"}
    owner = person("owner")
    owner.goes_to(f"/models/{world.model.slug}/people/waiver/")
    expect(owner.page.locator("select[name=rule] option[value=DY8]")).to_have_count(1)
    expect(owner.page.locator("select[name=rule] option[value=DY2]")).to_have_count(0)

    # The page itself says why, and who may, before anything is sent.
    author = person("author")
    author.goes_to(f"/sign/approvals.sign_approval/{slot.pk}/")
    expect(author.page.locator(".why-not .rule")).to_contain_text("DY")
    expect(author.page.locator(".why-not .who")).to_contain_text("Approver Person")
    expect(author.page.get_by_role("button", name=re.compile("^Sign"))).to_have_count(0)
    author.looks("author-may-not-approve")
