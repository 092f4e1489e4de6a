"""What every record that an act can be about tells of itself."""

from __future__ import annotations

from typing import Any, Protocol


class Subject(Protocol):
    """A domain record, or the organisation: its kind ("registry.version"), key, and the reference people write."""

    @property
    def subject_kind(self) -> str: ...

    @property
    def pk(self) -> Any: ...

    @property
    def ref(self) -> str: ...
