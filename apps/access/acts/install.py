"""The first act of an installation: services, separation rules, the first administrator and compliance officer."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings
from django.db import transaction

from apps.access.acting import Act, act
from apps.access.actors import Actor
from apps.access.acts.accounts import USERNAME, USERNAME_FORM
from apps.access.acts.names import ADDRESS_TAKEN, name_problem
from apps.access.duties import ORGANISATION, ORGANISATION_ID, Duty
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Assignment, SeparationRules
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.digests import digest
from apps.core.errors import BadInput, WrongState
from apps.trail import current
from apps.trail.models import Kind
from apps.trail.writer import Who, record

INSTALL = "access.install_organisation"
INSTALLER, WORKER = "installer", "worker"
RULES_FILE = Path(__file__).resolve().parent.parent / "separation_data" / "v2.json"


def installer() -> Actor:
    """The service account that installs; it is made in an act of its own that can happen only once."""
    user = User.objects.filter(username=INSTALLER).first()
    if user is None:
        with transaction.atomic(durable=True), current.opened(INSTALL, user_id=None) as open_act:
            user = User(
                username=INSTALLER, printed_name="Countersign installer", is_service=True, created_at=now()
            )
            user.set_unusable_password()
            user.save()
            record(
                kind=Kind.ACT,
                act=INSTALL,
                act_id=open_act.act_id,
                actor=Who.of(user),
                subject=user,
                scope=user.scope,
                body={"service_account": user.username},
                rows=open_act.rows,
                via="command",
            )
    return Actor.of(user, via="command")


@act(INSTALL)
def install_organisation(act: Act, *, administrator: dict, compliance: dict) -> list[User]:
    """Make the two first people, once. Each is a dict of username, printed_name, email and password.

    They approve everybody after them: neither can give a duty alone (DY17).
    """
    act.allow(ORGANISATION_SUBJECT)
    if Assignment.objects.exists():
        raise WrongState(
            "The organisation is installed already.",
            fact="There are assignments.",
            rule="install",
            who=["administrators and compliance officers give further duties in the portal"],
        )
    if administrator["username"].casefold() == compliance["username"].casefold():
        raise BadInput("The two first people must be two people.", rule="ST1")
    if (email := administrator.get("email", "")) and email.casefold() == compliance.get(
        "email", ""
    ).casefold():
        raise BadInput("The organisation was not installed.", fields={"email": [ADDRESS_TAKEN]})
    for given, others in ((administrator, ()), (compliance, (administrator["printed_name"],))):
        if not USERNAME.fullmatch(given["username"]):
            raise BadInput("The organisation was not installed.", fields={"username": [USERNAME_FORM]})
        if problem := name_problem(given["printed_name"], others):
            raise BadInput("The organisation was not installed.", fields={"printed_name": [problem]})
    worker = User(username=WORKER, printed_name="Countersign worker", is_service=True, created_at=now())
    worker.set_unusable_password()
    act.write(worker)
    rules = json.loads(RULES_FILE.read_text(encoding="utf-8"))
    act.create(
        SeparationRules, version=rules["version"], rules=rules, digest=digest(rules), effective_from=now()
    )
    people = []
    for given, duty in ((administrator, Duty.ADMINISTRATOR), (compliance, Duty.COMPLIANCE)):
        person = User(
            username=given["username"],
            printed_name=given["printed_name"],
            title=given.get("title", ""),
            email=given.get("email", ""),
            is_demo=settings.DEMO and given.get("is_demo", False),
            time_zone=given.get("time_zone", "UTC"),
            created_at=now(),
        )
        person.set_password(given["password"])
        act.write(person)
        act.create(
            Assignment,
            person=person,
            duty=duty,
            scope_kind=ORGANISATION,
            scope_id=ORGANISATION_ID,
            state=Assignment.State.APPROVED,
            starts_at=now(),
            reason="First people of the installation",
            requester=act.user,
            requested_at=now(),
            decided_at=now(),
        )
        people.append(person)
    # Whoever installs names both: neither of them has confirmed anybody. Everybody after them is confirmed by an act.
    for person in people:
        act.write(
            person,
            identity_confirmed_at=now(),
            identity_confirmed_by=act.user,
            identity_checked="installation",
        )
    act.event(separation_rules=rules["version"], people=[p.username for p in people])
    return people
