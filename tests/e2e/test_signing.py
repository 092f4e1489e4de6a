"""Signing in a real browser: what goes wrong loses nothing, what was not shown is not signed, nothing happens twice."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from apps.accounts.factors import FactorUse
from apps.approvals.acts import open_gate
from apps.approvals.models import Slot
from apps.core.jobs import run_queued
from apps.registry.acts import add_author, write_intended_use
from apps.trail.models import Signature
from tests.cast import PASSWORD
from tests.factories.evidence import validated_world
from tests.factories.factors import app_for, code_of
from tests.factories.foundation import USE
from tests.factories.reviews import trail_reviewed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def slot(world) -> Slot:
    """The approver's slot on an open gate whose evidence is complete."""
    evidence = validated_world(world)
    gate = open_gate(world.owner, evidence.version.pk)
    run_queued()
    return Slot.objects.select_related("gate__version").get(gate=gate, code="approval")


def sign_page(slot: Slot) -> str:
    return f"/sign/approvals.sign_approval/{slot.pk}/"


def signatures_of(slot: Slot) -> int:
    return Signature.objects.filter(subject_kind="approvals.slot", subject_id=str(slot.pk)).count()


def test_everything_between_the_page_and_the_signature(world, slot, person):
    approver = person("approver")

    # From My work by keyboard: the skip link, then the first task's button; on the sign page the skip link.
    approver.goes_to("/work/")
    pressed = 0

    def press(key: str) -> None:
        nonlocal pressed
        approver.page.keyboard.press(key)
        pressed += 1

    press("Tab")
    expect(approver.page.locator(":focus")).to_have_text(re.compile("^Skip to what needs you"))
    press("Enter")
    while pressed < 5 and not approver.page.locator("a:focus", has_text="Review and sign").count():
        press("Tab")
    expect(approver.page.locator("a:focus")).to_contain_text("Review and sign")
    press("Enter")
    expect(approver.page.get_by_role("heading", name="Your decision")).to_be_visible()
    assert approver.page.url.endswith(sign_page(slot))

    # A wrong password keeps what was typed and signs nothing.
    approver.signs(decision="rejected", reason="The labels of site west are in doubt.", password="wrong")
    expect(approver.page.locator("[name='reason']")).to_have_value("The labels of site west are in doubt.")
    expect(approver.page.locator("[name='decision'][value='rejected']")).to_be_checked()
    expect(approver.page.locator("[name='password']")).to_have_value("")
    approver.looks("sign-wrong-password")
    assert signatures_of(slot) == 0

    # The record changes while the page is open: nothing is signed, the page says so and shows it as it is now.
    approver.goes_to(sign_page(slot))
    shown = approver.page.locator("[name='digest']").get_attribute("value")
    add_author(world.author, slot.gate.version_id, person_id=world.colleague.pk, reason="Forgotten")
    approver.signs(reason="Read on Friday")
    expect(approver.page.locator(".why-not").first).to_be_visible()
    expect(approver.page.locator("[name='reason']")).to_have_value("Read on Friday")
    assert approver.page.locator("[name='digest']").get_attribute("value") != shown
    approver.looks("sign-changed-record")
    assert signatures_of(slot) == 0
    trail_reviewed(world, slot.gate.version)  # what came since the last review is reviewed as well

    # A session that ends in the middle of the form: what was typed comes through the sign-in, but not the password.
    Session.objects.all().delete()
    approver.signs(reason="Read on Friday")
    approver.sees(re.compile("Your session (has )?ended"))
    approver.looks("session-ended")
    approver.page.get_by_label("Username").fill("approver")
    approver.page.get_by_label("Password").fill(PASSWORD)
    approver.page.get_by_role("button", name="Sign in").click()
    approver.looks("session-resumed")
    approver.clicks("Go on", role="button")
    expect(approver.page.locator("[name='reason']")).to_have_value("Read on Friday")
    expect(approver.page.locator("[name='password']")).to_have_value("")
    assert signatures_of(slot) == 0

    # A double click signs once.
    approver.goes_to(sign_page(slot))
    approver.page.locator("[name='decision'][value='approved']").check()
    approver.fills(password=PASSWORD)
    approver.page.get_by_role("button", name=re.compile("^Sign my decision")).dblclick()
    approver.has_signed()
    assert signatures_of(slot) == 1


def test_the_same_form_sent_twice_at_once_signs_once(world, slot, person):
    """Without the script that stops a second click: two requests of one form, at the same time."""
    approver = person("approver")
    approver.goes_to(sign_page(slot))
    form = {
        name: approver.page.locator(f"form [name='{name}']").last.get_attribute("value") or ""
        for name in ("csrfmiddlewaretoken", "digest", "idempotency_key")
    } | {"decision": "approved", "reason": "", "password": PASSWORD, "username": "approver"}
    cookies = {each["name"]: each["value"] for each in approver.context.cookies()}
    answers: list[int] = []

    def send() -> None:
        request = urllib.request.Request(
            approver.address + sign_page(slot),
            data=urllib.parse.urlencode(form).encode(),
            headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answers.append(response.status)
        except urllib.error.HTTPError as error:
            answers.append(error.code)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200, 200], "the second is told the first one's result"
    assert signatures_of(slot) == 1


def test_without_javascript(world, slot, person):
    """Sign in, My work, the release page, a list's filter, review and sign: all of it without a script."""
    approver = person("approver", javascript=False)
    approver.looks("nojs-work")
    approver.goes_to("/models/lotx/1.0.0/")
    expect(approver.page.locator("#gate")).to_contain_text("opened")
    approver.looks("nojs-release")
    approver.goes_to("/models/")
    approver.page.locator("main [name='q']").fill("lot")
    approver.page.locator("main").get_by_role("button", name="Filter").click()
    assert "q=lot" in approver.page.url
    expect(approver.page.get_by_role("link", name="Lot release classifier")).to_be_visible()
    approver.goes_to("/work/")
    approver.page.get_by_role("link", name=re.compile("^Review and sign")).first.click()
    approver.signs()
    approver.has_signed()
    approver.looks("nojs-signature")
    assert signatures_of(slot) == 1


@pytest.mark.parametrize("javascript", [True, False])
def test_who_has_no_passkey_signs_with_password_and_code(world, person, settings, javascript):
    """From the sign-in on: without the code, with a wrong one, with one that was used, nothing is signed."""
    settings.SECOND_FACTOR = "required"
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    factor, secret = app_for(world.process_expert)

    def next_code() -> str:
        FactorUse.objects.filter(factor=factor).update(
            last_step=0
        )  # the half minute until then is not waited for
        return code_of(secret)

    def signs_with(code: str) -> None:
        expert.page.locator("[name='decision'][value='approved']").check()
        expert.fills(password=PASSWORD, code=code)
        expert.page.get_by_role("button", name=re.compile("^Sign my decision")).click()

    expert = person("process_expert", javascript=javascript, signed_in=False)
    expert.goes_to("/sign-in/")
    expert.page.get_by_label("Username").fill("process_expert")
    expert.page.get_by_label("Password").fill(PASSWORD)
    expert.page.get_by_role("button", name="Sign in", exact=True).click()
    spent = next_code()
    expert.fills(code=spent)
    expert.clicks("Sign in with the code", role="button")
    expect(expert.page.get_by_role("heading", name="My work", exact=True)).to_be_visible()

    expert.goes_to(f"/sign/registry.sign_intended_use_expert/{use.pk}/")
    assert expert.page.locator("[name='passkey']").count() == 0
    expert.looks("sign-totp")
    expert.signs()
    expect(expert.page.locator(".errors").first).to_contain_text("code")
    signs_with(f"{(int(spent) + 1) % 1_000_000:06}")
    expect(expert.page.locator("main")).to_contain_text("2 more tries before signing is locked")
    expect(expert.page.locator("[name='code']")).to_have_value("")
    expert.looks("sign-totp-wrong")
    signs_with(spent)  # it opened the session, and opens nothing more
    expect(expert.page.locator("main")).to_contain_text("was used already")
    assert not Signature.objects.filter(subject_kind="registry.intended_use").exists()
    signs_with(next_code())
    expert.has_signed()
    expert.looks("receipt-totp")
    signature = Signature.objects.get(subject_kind="registry.intended_use")
    assert (signature.factors, signature.signer) == (["password", "totp"], world.process_expert)
