"""The administrator tries to make the author an approver, alone: by a duty, a password, a factor, a rule, a name.

Each road is refused in the browser with all four parts, enters the trail once, and changes nothing.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from apps.access.acts import (
    propose_rules,
    request_assignment,
    request_correction,
    request_organisation_assignment,
    request_reset,
)
from apps.access.acts.resets import TWO_PEOPLE
from apps.access.models import Assignment, RulesChange
from apps.access.rulebook import rules_in_force
from apps.access.signing import content_digest
from apps.accounts.factors import Factor
from apps.accounts.models import User
from apps.core.jobs import run_queued
from apps.core.rulewords import rule_words
from apps.trail.models import Entry, Signature
from tests.access.test_rule_changes import changed
from tests.cast import PASSWORD
from tests.e2e.browsing import Person
from tests.factories.factors import app_for

pytestmark = pytest.mark.django_db(transaction=True)

SEND = """async ([address, fields]) => {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const body = new URLSearchParams({csrfmiddlewaretoken: token, idempotency_key: crypto.randomUUID(), ...fields});
    const response = await fetch(address, {method: "POST", body});
    return [response.status, await response.text()];
}"""


@dataclass
class Refusal:
    status: int
    parts: dict[str, str]


def sends(who: Person, address: str, **fields: str) -> Refusal:
    """The form of a page, sent as the browser sends it, although the page does not offer it to them."""
    if "/work/" not in who.page.url:
        who.goes_to("/work/")
    status, text = who.page.evaluate(SEND, [address, fields])
    who.faults.clear()  # the refusal's own status is what was asked for
    parts = {
        part: html.unescape(re.sub(r"<[^>]+>", "", told))
        for part, told in re.findall(r'<p class="(what|fact|rule|who)">(.*?)</p>', text, re.DOTALL)
    }
    return Refusal(status, parts)


@pytest.fixture
def tries(person):
    administrator = person("administrator")

    def attempt(act: str, address: str, status: int, rule: str, **fields: str) -> None:
        def entered() -> int:
            return Entry.objects.filter(kind="refusal", act=act, actor_name="Ada Administrator").count()

        before, acts = entered(), Entry.objects.filter(kind="act", act=act).count()
        refusal = sends(administrator, address, **fields)
        assert refusal.status == status, f"{act}: {refusal}"
        assert set(refusal.parts) == {"what", "fact", "rule", "who"}, f"{act}: {refusal}"
        assert refusal.parts["rule"] == rule_words(rule), f"{act}: {refusal}"
        assert entered() == before + 1, "one attempt, one entry"
        assert Entry.objects.filter(kind="act", act=act).count() == acts

    return attempt


def not_offered(who: Person, address: str) -> None:
    """The page itself says why not, before anything is sent."""
    who.goes_to(address)
    expect(who.page.locator(".why-not .rule").first).to_be_visible()
    expect(who.page.locator(".why-not .who").first).to_be_visible()


def test_no_road_of_the_administrator_makes_the_author_an_approver(world, person, tries):
    administrator, ada, author = person("administrator"), world.administrator, world.author
    factor, _ = app_for(author)
    before, rules = User.objects.get(pk=author.pk), rules_in_force().version
    held = set(Assignment.objects.active().values_list("pk", flat=True))

    # A duty. On the model: it is hidden from them, as is what others asked for there. On the organisation: QA approver
    # is none of its duties, and who asks for one that is does not give it.
    asked = request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="approver",
        scope_kind=world.model.subject_kind,
        scope_id=world.model.pk,
        reason="Needed",
    )
    for hidden in (f"/models/{world.model.slug}/people/request-duty/", f"/assignments/{asked.pk}/approve/"):
        administrator.goes_to(hidden, status=404)
    administrator.goes_to("/organisation/request-duty/")
    expect(administrator.page.locator("[name=duty] option[value=compliance]")).to_have_count(1)
    expect(administrator.page.locator("[name=duty] option[value=approver]")).to_have_count(0)
    administrator.goes_to("/organisation/request-duty/?duty=compliance")
    administrator.page.get_by_text("cannot be given it").click()
    administrator.sees("Ada Administrator (@")
    chosen = administrator.page.locator("[name=person_id] option")
    expect(chosen.filter(has_text="Author Person")).to_have_count(1)
    expect(chosen.filter(has_text="Ada Administrator")).to_have_count(0)
    wish = request_organisation_assignment(ada, person_id=author.pk, duty="compliance", reason="For a day")
    not_offered(administrator, f"/assignments/{wish.pk}/approve/")
    tries("access.approve_organisation_assignment", f"/assignments/{wish.pk}/approve/", 403, "duty")

    # A password of the author's, or the end of their factors so that another one can be added: asked for by one
    # person, approved by another. Nor is the author's identity confirmed anew by who asked.
    for what in ("password", "factors"):
        reset = request_reset(ada, author.pk, what=what, reason="Lost")
        not_offered(administrator, f"/resets/{reset.pk}/approve/")
        tries("access.approve_reset", f"/resets/{reset.pk}/approve/", 403, "duty")
    tries(
        "access.request_reset",
        "/people/administrator/reset/",
        409,
        TWO_PEOPLE,
        what="password",
        reason="Lost",
    )
    tries("access.confirm_identity", "/people/author/identity/", 403, "duty", how="known")
    administrator.goes_to(f"/account/security/factors/{factor.pk}/end/", status=404)

    # A rule: proposed by one, in force by the signatures of two others.
    change = propose_rules(ada, content=json.dumps(changed(without=("DY8",))).encode(), reason="Faster")
    run_queued()
    for half in ("approver", "compliance"):
        address = f"/sign/access.sign_rules_{half}/{change.pk}/"
        not_offered(administrator, address)
        given = {"digest": content_digest(RulesChange.objects.get(pk=change.pk)), "password": PASSWORD}
        tries(f"access.sign_rules_{half}", address, 403, "duty", decision="approved", reason="Read", **given)

    # Another name or address, at which a link would arrive.
    rename = request_correction(
        ada, author.pk, printed_name="Zoe Zander", email="ada@example.org", reason="Typo"
    )
    not_offered(administrator, f"/corrections/{rename.pk}/approve/")
    tries("access.approve_correction", f"/corrections/{rename.pk}/approve/", 403, "duty")
    administrator.looks("administrator-may-not-approve")

    after = User.objects.get(pk=author.pk)
    kept = ("username", "printed_name", "email", "password", "identity_confirmed_at")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert set(Assignment.objects.active().values_list("pk", flat=True)) == held
    assert Factor.objects.get(person=author).pk == factor.pk
    assert rules_in_force().version == rules
    assert not Signature.objects.filter(signer=ada).exists()
