"""Refusals. One shape for page, API and mail; the doors decide only how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.core.rulewords import rule_words


class Refused(Exception):
    """An act was refused, in four parts.

    what: what was refused, as a sentence. fact: the fact that blocks it. rule: the rule's identifier.
    who: the names of those who may, or sentences that tell how to find out.
    fields: for bad input, messages by field name. cause: what only the trail is told.
    """

    status = 403

    def __init__(
        self,
        what: str,
        *,
        fact: str = "",
        rule: str = "",
        who: Sequence[str] = (),
        status: int | None = None,
        fields: Mapping[str, Sequence[str]] | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.fact = fact
        self.rule = rule
        self.who = tuple(who)
        self.cause = cause
        # (act, kind, id) of what was refused on a record that the person may see: somebody else can be asked.
        self.asked: tuple[str, str, object] | None = None
        self.fields = {name: list(messages) for name, messages in (fields or {}).items()}
        if status is not None:
            self.status = status

    def parts(self) -> dict:
        """The four parts as plain data."""
        return {"what": self.what, "fact": self.fact, "rule": self.rule, "who": list(self.who)}

    def document(self, title: str) -> dict:
        """The four parts as problem details (RFC 9457), as the API answers them."""
        body = {"type": "about:blank", "title": title, "status": self.status, "detail": self.what}
        body |= {"what": self.what, "fact": self.fact, "rule": self.rule, "rule_text": rule_words(self.rule)}
        body |= {"eligible": list(self.who)}
        return body | ({"fields": self.fields} if self.fields else {})

    def sentence(self) -> str:
        """The four parts as one paragraph."""
        parts = [self.what, self.fact]
        if self.rule:
            parts.append(rule_words(self.rule))
        if self.who:
            parts.append(f"Who may: {', '.join(self.who)}.")
        return " ".join(part for part in parts if part)


class NotVisible(Refused):
    """Not there, or not for this person to see: the two are not told apart."""

    status = 404

    def __init__(self, what: str = "There is no such record, or you may not see it.", **parts: Any) -> None:
        parts.setdefault("rule", "visibility")
        super().__init__(what, **parts)


class NotAllowed(Refused):
    """The person lacks the duty."""

    status = 403


class WrongState(Refused):
    """The record is not in a state that allows this act."""

    status = 409


class Conflict(Refused):
    """Separation of duties, or another change came first."""

    status = 409


class TooMany(Refused):
    """Asked too often in a short time. `retry_after`: seconds until it may be tried again."""

    status = 429

    def __init__(self, what: str, *, retry_after: int, **parts: Any) -> None:
        parts.setdefault("rule", "rate-limit")
        super().__init__(what, **parts)
        self.retry_after = max(1, retry_after)


class Busy(Refused):
    """The database gave the act up for others; nothing was done. `retry_after`: seconds until it may be tried again."""

    status = 503

    def __init__(self, what: str, *, retry_after: int, **parts: Any) -> None:
        parts.setdefault("rule", "busy")
        super().__init__(what, **parts)
        self.retry_after = max(1, retry_after)


class BadInput(Refused):
    """The input cannot be used; `fields` says where and how to mend it."""

    status = 422

    def __init__(self, what: str = "There is a problem with what was entered.", **parts: Any) -> None:
        parts.setdefault("rule", "input")
        super().__init__(what, **parts)

    def sentence(self) -> str:
        said = [f"{name}: {' '.join(messages)}" for name, messages in self.fields.items()]
        return " ".join([super().sentence(), *said])
