"""What the gate answers to `may`, and the refusals that need no record looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.access import reach
from apps.access.actors import Actor
from apps.access.models import Waiver
from apps.access.policy import Policy
from apps.core.errors import Conflict, NotAllowed, NotVisible, Refused, WrongState


@dataclass(frozen=True)
class Verdict:
    """Whether a person may do an act on a subject; when not, the four parts of the refusal."""

    allowed: bool
    act: str
    label: str
    what: str = ""
    fact: str = ""
    rule: str = ""
    who: tuple[str, ...] = ()
    status: int = 200
    signs: bool = False
    needs_reason: bool = False
    wrong_state: bool = False  # the record's state forbids it, not the person
    waivers: tuple[Waiver, ...] = ()  # allowed only under these
    under: tuple[str, ...] = ()  # what opened a record that is shut to everybody else

    @classmethod
    def yes(cls, row: Policy, **more: Any) -> Verdict:
        return cls(True, row.act, row.label, signs=row.signs, needs_reason=row.reason, **more)

    @classmethod
    def no(cls, row: Policy, refused: Refused, what: str = "", *, by_state: bool = False) -> Verdict:
        """`what`: the words for this act and record, where the refusal's own are of something more general."""
        return cls(
            False,
            row.act,
            row.label,
            what=what or refused.what,
            fact=refused.fact,
            rule=refused.rule,
            who=refused.who,
            status=refused.status,
            signs=row.signs,
            needs_reason=row.reason,
            wrong_state=by_state and isinstance(refused, WrongState),
        )

    @property
    def waived(self) -> tuple[str, ...]:
        """`DY1 waived by … until …`, for page, API and trail."""
        return tuple(waiver.told() for waiver in self.waivers)

    def refusal(self) -> Refused:
        kinds = {403: NotAllowed, 404: NotVisible, 409: WrongState if self.wrong_state else Conflict}
        return kinds.get(self.status, Refused)(
            self.what, fact=self.fact, rule=self.rule, who=self.who, status=self.status
        )


def front_refusal(actor: Actor, row: Policy) -> Refused | None:
    """What can be said before any record is looked at: the account, the token, service and person."""
    if not actor.user.usable:
        return NotAllowed(
            "You cannot do this.",
            fact="This account is deactivated, or it is a demo account and this is no demo.",
            rule="account",
            who=["an active account"],
        )
    if row.service and not actor.is_service:
        return NotAllowed(
            "You cannot do this.",
            fact="Only the portal's own service does this.",
            rule="service",
            who=["the portal's worker"],
        )
    if actor.is_service and not row.service:
        return NotAllowed(
            "A service cannot do this.",
            fact="A service may never fill a human duty.",
            rule="service-never-decides",
            who=["a person with the duty"],
        )
    if actor.token is not None and not row.token:
        return NotAllowed(
            "A token cannot do this.",
            fact="It needs a person in a signed-in session, not an access token.",
            rule="21 CFR 11.200(a)(2)",
            who=["the person, signed in"],
        )
    if row.act == "access.issue_ci_token" and actor.token is None:
        return None  # the exchange itself: the service has no token yet
    return reach.refuse_act(
        reach.reach_of(actor.token, actor.through), row, service=actor.through is not None
    )
