"""Here the reading of files is what is tested."""

from __future__ import annotations

import pytest

from tests import data_once


@pytest.fixture(autouse=True)
def _every_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data_once.read_every_time(monkeypatch)
