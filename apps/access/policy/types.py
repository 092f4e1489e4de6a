"""A row of the policy table, what a signature says, and who may read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apps.access.duties import Duty as D


@dataclass(frozen=True)
class Policy:
    act: str
    label: str  # the button
    sentence: str  # the trail, after the person's name
    subject: str = ""  # subject kind that `allow` expects
    duties: frozenset[str] = frozenset()  # any of them, on the subject's parent or on the organisation
    verbs: frozenset[str] = frozenset()
    meaning: str = ""  # signature meaning; an act with a meaning demands a signature
    reason: bool = False  # a reason is demanded
    changes: bool = (
        False  # changes a record after it was a draft: the reason has a code, and a preview is shown
    )
    service: bool = False  # a named service does this; people are refused
    anyone: bool = False  # any signed-in person, about their own affairs
    by: tuple[str, ...] = ()  # of `anyone`: who exactly, keys of WHO; the act or its allowance judges it
    token: bool = True  # may be done with a personal access token
    offered: bool = True  # shown as a button where it is allowed
    shows: bool = False  # changes how a person is known: who holds a second factor shows it
    recovers: bool = (
        False  # `shows`, but who came in with a recovery code may do it without, and is identified anew
    )
    fresh: bool = False  # administers: asks for a recent sign-in, and takes no token
    alone: bool = False  # may put other separation rules into force: it waits until no other act is under way
    reads: bool = (
        False  # looks or takes a copy, and changes no record of anybody's work: all an inspector may do
    )

    @property
    def signs(self) -> bool:
        return bool(self.meaning)

    @property
    def seat(self) -> bool:
        """A seat on a review board allows it, and no duty: the training of its members is asked."""
        return "board" in self.by

    @property
    def looks(self) -> bool:
        """Shows or hands out what is there, and asks for nothing to be made: done as often as it is asked for."""
        return self.reads and not self.act.partition(".")[2].startswith("request_")

    def cannot(self, ref: str) -> str:
        """What a refusal says first: “You cannot approve A-7.”, “You cannot do “Sign as owner” on IU-3.”"""
        if not self.label:
            return f"You cannot do this to {ref}."
        if " " in self.label:
            return f"You cannot do “{self.label}” on {ref}."
        return f"You cannot {self.label.lower()} {ref}."


# Who may where no duty says it. Each key stands for something that the act or its allowance judges.
WHO = {
    "asked": "the person who was asked",
    "own": "any signed-in person, about their own affairs",
    "sees": "any signed-in person, of what they may see",
    "board": "the member of the review board who attended with a vote",
    "link": "the person who got the link by mail, once",
    "asks": "any signed-in person, for objects they see and an owner who holds a duty for every act",
    "owner": "the owner of the service account",
    "officer": "a compliance officer or administrator of the organisation",
    "holder": "who the token acts for",
    "job": "a CI job whose identity a trust of the service names",
    "inspector": "the portal, for an inspector who looks or takes a copy",
}
MEANINGS = {
    "authorship": "I am the author of this record.",
    "review": "I have reviewed this record.",
    "approval": "I have reviewed this record and approve it for its intended use.",
    "withdrawal": "I withdraw this record: it is no longer in force.",
    "suspension": "I have reviewed why this version was suspended, and what follows from it.",
    "decision": (
        "I attended this meeting of the board with a vote. I have read its minute, and I sign the decision it records "
        "about the version it names."
    ),
    "responsibility": "I take responsibility for this record and accept the residual risk it states.",
}


REJECTION = "I have reviewed this record and reject it. The reason I gave is part of my signature."


def meaning_sentence(meaning: str, decision: str) -> str:
    """What a signature says (21 CFR 11.50(a)(3)): the sentence on the form is the sentence that is signed."""
    return REJECTION if decision == "rejected" else MEANINGS[meaning]


def row(
    act: str,
    label: str,
    sentence: str,
    subject: str = "",
    duties: Iterable[str] = (),
    verbs: Iterable[str] = (),
    **rest: Any,
) -> Policy:
    rest["by"] = tuple(rest.pop("by", ("own",) if rest.get("anyone") else ()))
    return Policy(act, label, sentence, subject, frozenset(duties), frozenset(verbs), **rest)


READERS = (
    D.DEVELOPER,
    D.VALIDATOR,
    D.BIAS_TESTER,
    D.APPROVER,
    D.PROCESS_EXPERT,
    D.OWNER,
    D.DEPLOYER,
    D.MONITOR,
    D.SECURITY,
    D.COMPLIANCE,
    D.INSPECTOR,
    D.REGISTRAR,
)
