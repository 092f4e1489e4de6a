"""Accounts of identity providers: tied to a person by an administrator's proposal and the person's own confirmation."""

from __future__ import annotations

from apps.access import oidc
from apps.access.acting import Act, act
from apps.accounts.factors import SignOnLink
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, WrongState

State = SignOnLink.State


@registries.precondition("access.propose_link")
def refuse_if_unused(user: User) -> None:
    if not user.is_active or user.is_service:
        raise WrongState("There is nothing to link: the account is not in use.", rule="account-state")


@act("access.propose_link")
def propose_link(act: Act, user_id: int, *, provider: str, subject: str) -> SignOnLink:
    """Propose that `subject` of the provider with this key is the person. It opens nothing until they confirm it."""
    user = act.lock(User.objects.filter(is_service=False), pk=user_id)
    act.allow(user)
    if user.pk == act.user.pk:
        raise Conflict(
            "You cannot propose a link of your own account.",
            fact="This is your own account.",
            rule="two people: one proposes, the other confirms",
            who=["another administrator"],
        )
    problems: dict[str, list[str]] = {}
    known = oidc.provider(provider)
    if known is None:
        problems["provider"] = ["Choose an identity provider that is set up here."]
    subject = subject.strip()
    if not subject or len(subject) > 255 or not subject.isprintable() or not subject.isascii():
        problems["subject"] = [
            "Enter the subject as the provider gives it in its tokens: at most 255 ASCII characters."
        ]
    if known is None or problems:
        raise BadInput("The link was not proposed.", fields=problems)
    if SignOnLink.objects.filter(issuer=known.issuer, subject=subject).exclude(state=State.ENDED).exists():
        raise BadInput(
            "The link was not proposed.",
            fields={"subject": ["This account of the provider is linked, or proposed, already."]},
        )
    row = act.create(
        SignOnLink,
        person=user,
        issuer=known.issuer,
        subject=subject,
        proposed_by=act.user,
        proposed_at=now(),
    )
    act.event(issuer=row.issuer, subject=row.subject, person=user.username)
    act.about(row)
    return row


@registries.precondition("access.confirm_link")
def refuse_if_not_proposed(link: SignOnLink) -> None:
    if link.state != State.PROPOSED:
        raise WrongState("This link is confirmed, or has ended, already.", rule="link-state")


@act("access.confirm_link")
def confirm_link(act: Act, link_id: int) -> SignOnLink:
    """The person says that this account of the provider is theirs. The door has asked for the password."""
    row = act.lock(SignOnLink.objects.select_related("person"), pk=link_id)
    act.own(row.person)
    act.allow(row)
    act.event(issuer=row.issuer, subject=row.subject)
    return act.write(row, state=State.CONFIRMED, confirmed_at=now())


@registries.precondition("access.end_link")
@registries.precondition("access.end_own_link")
def refuse_if_ended(link: SignOnLink) -> None:
    if link.state == State.ENDED:
        raise WrongState("This link has ended already.", rule="link-state")


@act("access.end_link")
def end_link(act: Act, link_id: int) -> SignOnLink:
    """End a link of another person."""
    row = act.lock(SignOnLink.objects.select_related("person"), pk=link_id)
    act.allow(row)
    return act.end(row, state=State.ENDED)


@act("access.end_own_link")
def end_own_link(act: Act, link_id: int) -> SignOnLink:
    """End one's own link."""
    row = act.lock(SignOnLink.objects.select_related("person"), pk=link_id)
    act.own(row.person)
    act.allow(row)
    return act.end(row, state=State.ENDED)
