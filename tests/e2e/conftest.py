"""Real Chromium, a real server with its own threads, a real Celery worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.browsing import Person

# Playwright's event loop runs in this thread, where Django would refuse the tests' own queries.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
CHROMIUM = Path("/usr/bin/chromium")
INSTALL = "apt-get install --no-install-recommends chromium"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail(f"The browser tests need {CHROMIUM}. As administrator: {INSTALL}", pytrace=False)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def person(browser: Browser, live_server: Any) -> Iterator[Callable[..., Person]]:
    """`person(name)`: that person of the cast, signed in, at a browser of their own; the same one when asked again."""
    known: dict[str, Person] = {}

    def be(name: str, *, javascript: bool = True, signed_in: bool = True) -> Person:
        if name not in known:
            known[name] = Person(browser, live_server.url, name, javascript=javascript)
            if signed_in:
                known[name].signs_in()
        return known[name]

    yield be
    blemishes = [each for one in known.values() for each in (*one.blemishes, *one.faults)]
    for one in known.values():
        one.context.close()
    assert not blemishes, "Pages are not as they have to be:\n" + "\n".join(blemishes)
