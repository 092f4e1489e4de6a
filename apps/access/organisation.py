"""The organisation as a subject: there is one per installation."""

from __future__ import annotations

from apps.access import duties
from apps.access.facts import Facts
from apps.core import registries

ORGANISATION_PAIR = (duties.ORGANISATION, duties.ORGANISATION_ID)


class Organisation:
    """What an act is done on that is done on no record."""

    subject_kind = duties.ORGANISATION
    pk = duties.ORGANISATION_ID
    ref = "the organisation"
    scope = duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)


ORGANISATION_SUBJECT = Organisation()


@registries.facts(duties.ORGANISATION)
def organisation_facts(_subject: Organisation) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))
