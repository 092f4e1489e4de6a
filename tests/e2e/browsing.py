"""One person at one browser, and what every page they are shown has to keep: quiet, accessible, narrow, dark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, Download, Locator, Page, Response, expect

from tests.cast import PASSWORD

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts" / "e2e"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 320, "height": 800}
EVIDENCE_MS = 60_000  # a real run of the sandbox on a busy machine


class Person:
    """A person of the cast with a browser window of their own (own cookies, own theme)."""

    def __init__(self, browser: Browser, address: str, name: str, *, javascript: bool = True) -> None:
        self.name, self.address, self.javascript = name, address, javascript
        self.context = browser.new_context(
            base_url=address, viewport=WIDE, java_script_enabled=javascript, accept_downloads=True
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.faults: list[str] = []
        self.blemishes: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    # What the browser complains about

    def _said(self, message: Any) -> None:
        # "Failed to load resource" only repeats a status that `_answered` has judged.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"console {message.type}: {message.text}")

    def _failed(self, request: Any) -> None:
        left_behind = (
            request.resource_type in ("document", "xhr", "fetch") and request.failure == "net::ERR_ABORTED"
        )
        if not left_behind:  # a page one leaves breaks off its own question; a download ends its navigation
            self.faults.append(f"request failed: {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.faults.append(f"{response.status} for {response.url}")
        if urlsplit(response.url).netloc != urlsplit(self.address).netloc:
            self.faults.append(f"third party: {response.url}")

    # Going about

    def goes_to(self, path: str, *, status: int = 200) -> Page:
        response = self.page.goto(path)
        assert response is not None
        assert response.status == status, f"{self.name} got {response.status} at {path}"
        return self.page

    def signs_in(self, password: str = PASSWORD) -> Person:
        self.goes_to("/sign-in/")
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        first = self.page.get_by_role("heading", name="My work", exact=True)
        # An inspector's first page is another.
        expect(
            first.or_(self.page.get_by_role("heading", name="Inspection room", exact=True))
        ).to_be_visible()
        return self

    def clicks(self, name: str, *, role: Any = None, exact: bool = False) -> Page:
        """A link or button by its words."""
        found = self.page.get_by_role("link", name=name, exact=exact).or_(
            self.page.get_by_role("button", name=name, exact=exact)
        )
        if role:
            found = self.page.get_by_role(role, name=name, exact=exact)
        found.first.click()
        return self.page

    def fills(self, **fields: str) -> None:
        """Text fields by the names they travel under."""
        for name, value in fields.items():
            self.page.locator(f"[name='{name}']").fill(value)

    def sees(self, text: str | re.Pattern[str], *, patience: float = 20_000) -> Locator:
        found = self.page.locator("main").get_by_text(text).first
        expect(found).to_be_visible(timeout=patience)
        return found

    def waits_for(self, text: str, *, patience: float = EVIDENCE_MS) -> None:
        """Never reloads: the page asks by itself while work goes on."""
        expect(self.page.locator("main")).to_contain_text(text, timeout=patience)

    def signs(self, *, decision: str = "approved", reason: str = "", password: str = PASSWORD) -> Page:
        """On the page "review and sign": decide, give reason and password, press the button."""
        self.page.locator(f"[name='decision'][value='{decision}']").check()
        if reason:
            self.fills(reason=reason)
        self.fills(password=password)
        self.page.get_by_role("button", name=re.compile("^Sign my decision")).click()
        return self.page

    def has_signed(self) -> None:
        expect(self.page.get_by_role("heading", name="Receipt")).to_be_visible()

    def downloads(self, name: str) -> Download:
        with self.page.expect_download() as under_way:
            self.clicks(name)
        return under_way.value

    # What every page keeps

    def looks(self, name: str) -> None:
        """Judge the page as it stands: quiet console, axe in light and dark, no overflow at 320 px; pictures.

        What is wrong is kept in `blemishes` and fails the test at its end, all pages at once.
        """
        self.page.wait_for_load_state("load")
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        stem = f"{name}-{self.name}"
        faults, self.faults = self.faults, []
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if self.javascript:
                faults += [f"{scheme}: {each}" for each in self._violations()]
            self.page.screenshot(path=ARTIFACTS / f"{stem}-{scheme}.png", full_page=True)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(NARROW)
        if self.javascript:
            faults += self._overflow()
        self.page.screenshot(path=ARTIFACTS / f"{stem}-320.png", full_page=True)
        self.page.set_viewport_size(WIDE)
        self.blemishes += [f"{stem} ({self.page.url}): {each}" for each in faults]

    def _violations(self) -> list[str]:
        self.page.evaluate(AXE)  # evaluated, not added as a script tag: the content policy stays in force
        found = self.page.evaluate(
            "(rules) => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})",
            RULES,
        )
        return [
            f"axe {one['id']}: {one['help']} at {[node['target'] for node in one['nodes']][:3]}"
            for one in found["violations"]
        ]

    def _overflow(self) -> list[str]:
        width = self.page.evaluate("() => document.documentElement.scrollWidth")
        if width <= NARROW["width"]:
            return []
        widest = self.page.evaluate(
            """() => [...document.querySelectorAll('body *')]
                .filter(node => node.getBoundingClientRect().right > 321 && !node.closest('.scroll, pre'))
                .slice(0, 5).map(node => node.outerHTML.slice(0, 120))"""
        )
        return [f"{width} px wide at {NARROW['width']} px: {widest}"]
