"""Passkey, one-time code and single sign-on in a real browser, with a virtual authenticator and a real provider."""

from __future__ import annotations

import base64
import re
import time
from typing import Any

import pytest
from playwright.sync_api import expect

from apps.access import oidc
from apps.access.acts import confirm_link, propose_link
from apps.accounts.factors import Factor, FactorUse
from apps.registry.acts import write_intended_use
from apps.trail.models import Entry, Signature
from tests.access.telling import body_of, last
from tests.cast import PASSWORD, give
from tests.e2e.browsing import Person
from tests.factories.factors import app_for, code_of
from tests.factories.foundation import USE
from tests.factories.issuer import Issuer

pytestmark = pytest.mark.django_db(transaction=True)


def with_authenticator(one: Person, *, verifies: bool = True) -> tuple[Any, str]:
    """A virtual authenticator of Chromium in this person's window."""
    session = one.context.new_cdp_session(one.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, made["authenticatorId"]


def shows_password(one: Person) -> None:
    one.goes_to("/sign-in/")
    one.page.get_by_label("Username").fill(one.name)
    one.page.get_by_label("Password").fill(PASSWORD)
    one.page.get_by_role("button", name="Sign in", exact=True).click()


def signs_out(one: Person) -> None:
    one.context.clear_cookies()


def went_to(one: Person, issuer: Issuer) -> None:
    """The provider is a third party that is meant."""
    one.faults = [fault for fault in one.faults if f"third party: {issuer.url}/authorize" not in fault]


def at_work(one: Person) -> None:
    expect(one.page.get_by_role("heading", name="My work", exact=True)).to_be_visible()


@pytest.fixture
def reached(settings, live_server) -> None:
    settings.PORTAL_URL = live_server.url


def test_a_passkey_is_added_signs_in_and_signs(world, person, reached):
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    expert = person("process_expert")
    session, authenticator = with_authenticator(expert)
    expert.goes_to("/account/")
    expert.clicks("Security of my account")
    expert.looks("security-empty")
    expert.clicks("Add passkey")
    expert.looks("add-passkey")
    expert.fills(name="Laptop", password=PASSWORD)
    expert.clicks("Add passkey", role="button")
    expert.sees("is added")
    expert.looks("security-passkey")
    factor = Factor.objects.get()
    assert (factor.kind, factor.person) == ("passkey", world.process_expert)

    # The password alone changes nothing from now on.
    expert.clicks("Make recovery codes")
    expert.fills(password=PASSWORD)
    expert.clicks("Make recovery codes", role="button")
    expert.sees("Show your passkey as well")
    expert.clicks("Show a passkey I have", role="button")
    expert.sees("Your passkey was shown")
    expert.looks("make-recovery-codes-passkey")
    expert.fills(password=PASSWORD)
    expert.clicks("Make recovery codes", role="button")
    expert.sees("Print this page")

    signs_out(expert)
    shows_password(expert)
    expert.looks("second-factor-passkey")
    expert.clicks("Use a passkey", role="button")
    at_work(expert)
    assert body_of(last("access.sign_in"))["facts"]["factors"] == ["password", "passkey"]
    assert FactorUse.objects.get(factor=factor).sign_count > 1

    # Nothing is signed with the password alone, nor before a decision.
    expert.goes_to(f"/sign/registry.sign_intended_use_expert/{use.pk}/")
    expert.looks("sign-passkey")
    expert.fills(password=PASSWORD)
    expert.page.get_by_role("button", name=re.compile("^Sign my decision")).click()
    expect(expert.page.locator(".errors")).to_contain_text("decision")
    assert not Signature.objects.filter(subject_kind="registry.intended_use").exists()
    expert.signs()
    expert.has_signed()
    expert.looks("receipt-passkey")
    assert Signature.objects.latest("pk").factors == ["password", "passkey"]

    # A device that cannot ask its person is not enough.
    session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    signs_out(expert)
    shows_password(expert)
    expert.clicks("Use a passkey", role="button")
    expect(expert.page.locator("[data-passkey-error]")).to_contain_text("The passkey was not used")
    assert (
        Entry.objects.filter(
            act="access.sign_in", kind="act", actor_uuid=str(world.process_expert.uuid)
        ).count()
        == 2
    )


def test_an_authenticator_app_is_added_and_signs_in_without_a_script(world, person):
    author = person("author", javascript=False)
    author.goes_to("/account/security/app/")
    author.looks("add-app")
    text = author.page.locator("code.wrap").inner_text().replace(" ", "")
    secret = base64.b32decode(text)
    author.fills(name="Phone", code=code_of(secret), password=PASSWORD)
    author.clicks("Add authenticator app", role="button")
    author.sees("is added")
    author.clicks("Make recovery codes")
    FactorUse.objects.update(last_step=0)  # the half minute until the next code is not waited for
    author.looks("make-recovery-codes")
    author.fills(held_code=code_of(secret), password=PASSWORD)
    author.clicks("Make recovery codes", role="button")
    author.looks("recovery-codes")
    spare = author.page.locator("ol.codes code").first.inner_text()
    FactorUse.objects.update(last_step=0)  # the half minute until the next code is not waited for

    signs_out(author)
    shows_password(author)
    author.looks("second-factor-code")
    author.fills(code="000000")
    author.clicks("Sign in with the code", role="button")
    author.sees("The code is not right")
    author.fills(code=code_of(secret))
    author.clicks("Sign in with the code", role="button")
    at_work(author)

    signs_out(author)
    shows_password(author)
    author.page.get_by_text("I have neither here").click()
    author.fills(recovery=spare)
    author.clicks("Sign in with the recovery code", role="button")
    at_work(author)


def test_single_sign_on(world, person, settings, reached):
    issuer = Issuer()
    settings.OIDC_PROVIDERS = [issuer.provider()]
    oidc.forget()
    author = person("author", signed_in=False)
    link = propose_link(world.administrator, world.author.pk, provider="corp", subject=issuer.subject)
    author.goes_to("/sign-in/?next=/models/")
    author.looks("sign-in-single-sign-on")
    author.clicks("Sign in with Corporate sign-in")
    author.sees("opens no account here")
    went_to(author, issuer)
    author.looks("single-sign-on-refused")
    confirm_link(world.author, link.pk)
    _, secret = app_for(world.author)
    author.goes_to("/sign-in/?next=/models/")
    author.clicks("Sign in with Corporate sign-in")
    author.fills(code=code_of(secret))
    author.clicks("Sign in with the code", role="button")
    expect(author.page).to_have_url(re.compile("/models/$"))
    went_to(author, issuer)
    assert body_of(last("access.sign_in"))["facts"]["factors"] == ["sso", "totp"]
    author.goes_to("/account/security/")
    author.looks("security-single-sign-on")
    issuer.close()
    oidc.forget()


def test_a_reset_takes_two_people(world, person):
    administrator, compliance = person("administrator"), person("compliance2")
    administrator.goes_to("/people/author/")
    administrator.clicks("Ask for a reset")
    administrator.looks("reset-ask")
    administrator.page.get_by_label("Password").check()
    administrator.fills(reason="Forgot it; called back on the known number")
    administrator.clicks("Ask for the reset", role="button")
    administrator.sees("A compliance officer decides")
    administrator.looks("reset-asked")
    compliance.goes_to("/work/")
    compliance.looks("work-reset")
    compliance.clicks("R-", role="link")
    compliance.clicks("Approve the reset", role="link")
    compliance.looks("reset-approve")
    compliance.clicks("Approve the reset", role="button")
    compliance.sees("to be confirmed by somebody who had no part in the reset")
    compliance.goes_to("/resets/")
    compliance.looks("resets")
    world.author.refresh_from_db()
    assert not world.author.has_usable_password()


def test_single_sign_on_again_signs(world, person, settings, reached):
    """Who comes by single sign-on authenticates there again for one record, shows a one-time code, and signs."""
    give(world, "process_expert", "process_expert", world.other_model, by="other_owner")
    use, other = (
        write_intended_use(world.process_expert, model.pk, given=USE, reason="First statement")
        for model in (world.model, world.other_model)
    )
    issuer = Issuer()
    issuer.spoil = lambda claims: claims.update(auth_time=int(time.time()))
    settings.OIDC_PROVIDERS = [issuer.provider()]
    oidc.forget()
    expert = person("process_expert")
    link = propose_link(world.administrator, world.process_expert.pk, provider="corp", subject=issuer.subject)
    confirm_link(world.process_expert, link.pk)
    _, secret = app_for(world.process_expert)
    act = "registry.sign_intended_use_expert"
    expert.goes_to(f"/sign/{act}/{use.pk}/")
    expert.page.locator("[name='decision'][value='approved']").check()
    expert.clicks("Instead of the password: authenticate with Corporate sign-in", role="button")
    expert.looks("sign-leave")
    expert.clicks("Go on to Corporate sign-in")
    expert.sees("You authenticated again for this decision")
    went_to(expert, issuer)
    expert.looks("sign-fresh")
    expert.page.locator("[name='decision'][value='approved']").check()
    expert.fills(code=code_of(secret))
    expert.page.get_by_role("button", name=re.compile("^Sign my decision")).click()
    expert.has_signed()
    signature = Signature.objects.get(subject_kind="registry.intended_use")
    assert signature.factors == ["sso", "totp"]
    issuer.close()
    oidc.forget()

    # Several records at once: what is not opened is not signed.
    expert.goes_to(f"/sign/together/?record={act}:{other.pk}")
    expert.looks("review-together")
    expert.clicks("Open IU-visc/v1")
    expert.clicks("Back to the records you review together")
    expert.sees("as it is now")
    expert.looks("review-together-opened")


def test_a_page_says_when_it_asks_by_itself(world, person):
    """So that the server can tell a poll from a person, and an idle session ends."""
    author = person("author")
    author.goes_to("/work/")
    make = """(trigger) => {
        const box = document.createElement("button");
        box.setAttribute("hx-get", "/work/"); box.setAttribute("hx-swap", "none");
        box.setAttribute("hx-trigger", trigger); box.id = "asks"; box.textContent = "Ask";
        document.querySelector("main").prepend(box); htmx.process(box);
    }"""
    with author.page.expect_request(lambda request: "hx-request" in request.headers) as asked:
        author.page.evaluate(make, "every 1s")
    assert asked.value.headers["x-asked-by"] == "page"
    author.goes_to("/work/")
    author.page.evaluate(make, "click")
    with author.page.expect_request(lambda request: "hx-request" in request.headers) as asked:
        author.page.locator("#asks").click()
    assert "x-asked-by" not in asked.value.headers
