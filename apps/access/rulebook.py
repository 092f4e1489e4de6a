"""The separation rules in force, now and at any time past, and the waivers that open one of them for a person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from django.db.models import Q

from apps.access.inforce import Marks
from apps.access.models import SeparationRules, Waiver, WaiverQuerySet
from apps.access.policy import acts_counting_as
from apps.access.separation import ANY, DynamicRule, Rules, StaticRule, parse
from apps.access.sharing import once
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import NotAllowed

Place = tuple[str, int]  # scope kind, scope id
# Any constant but the sealer's: PostgreSQL advisory locks are per database.
RULES_LOCK = 0x52554C45
DECLARED = frozenset(
    {ANY, "receive_grant", "benefit_waiver", "owe_duty"}
)  # verbs that no act needs to count as


def rules_in_force(marks: Marks | None = None) -> Rules:
    """`marks`: what is in force, where a query has told; then nothing is asked."""
    if marks is None or not marks.rules:
        return once("rules", lambda: rules_at(now()))
    return _known(marks.rules)


@lru_cache(maxsize=8)
def _known(mark: str) -> Rules:
    """Content under its own digest: what is remembered never goes stale."""
    return parse(SeparationRules.objects.filter(digest=mark).order_by("-version")[:1].get().rules)


def rules_lock(*, change: bool = False) -> str:
    """SQL (PostgreSQL) that holds the rules as they are until the end of the transaction, or for one act to change.

    An act that judged by the old rules has then committed before the new ones are there, and any other judges by the
    new ones. On SQLite every writing transaction excludes the others already.
    """
    return f"SELECT pg_advisory_xact_lock{'' if change else '_shared'}({RULES_LOCK})"


def rules_at(moment: datetime) -> Rules:
    """The rules that were in force at `moment`: what was decided under an older version is told with it."""
    row = SeparationRules.objects.filter(effective_from__lte=moment).order_by("-version").first()
    if row is None:
        raise NotAllowed(
            "Nothing can be done here yet.",
            fact="No separation rules are in force: the organisation is not installed.",
            rule="install",
            who=["whoever runs manage.py install_organisation"],
        )
    return parse(row.rules)


def tier_of(kind: str, pk: object) -> str:
    """The tier of a model or model version; empty where none is fixed, which counts as the strictest."""
    give = registries.tier.get(kind)
    return give(int(str(pk))) if give else ""


def waivers_on(places: Iterable[Place], *, version: int | None = None) -> WaiverQuerySet:
    """Every waiver on these models, whatever became of it: of this version or of all."""
    where = Q(pk__in=[])
    for kind, pk in places:
        where |= Q(scope_kind=kind, scope_id=pk)
    rows = Waiver.objects.filter(where, version_id__in=[0, *([version] if version else [])])
    return rows.select_related("person", "ended_by", *Waiver.SIGNERS)


def waivers_in_force(
    places: Iterable[Place], *, version: int | None = None, at: datetime | None = None
) -> list[Waiver]:
    """Signed by both, not run out and not revoked at `at` (now)."""
    return list(waivers_on(places, version=version).in_force(at))


def opened_by(waivers: Iterable[Waiver], person_id: int, rules: Rules, rule_id: str) -> Waiver | None:
    """The waiver that opens this rule for this person. One that the rules no longer allow opens nothing."""
    if rule_id not in rules.waivable:
        return None
    return next((w for w in waivers if w.person_id == person_id and w.rule == rule_id), None)


def openable(rules: Rules) -> dict[str, str]:
    """Rule id -> its text, of those that a waiver on a model can open at all."""
    return {rule: text for rule, text in rules.texts().items() if not unopenable(rules, rule)}


def unopenable(rules: Rules, rule_id: str) -> str:
    """Why a waiver on a model opens nothing of this rule; empty where it opens something."""
    texts = rules.texts()
    if rule_id not in texts:
        offered = ", ".join(sorted(openable(rules)))
        return f"There is no rule {rule_id!r}. Rules that may be waived: {offered}."
    if rule_id not in rules.waivable:
        return f"{rule_id} may never be waived: {texts[rule_id]}."
    pairs = [rule for rule in rules.every if rule.id == rule_id]
    if not (pairs := [rule for rule in pairs if _happens(rule)]):
        return f"{rule_id} keeps apart what no act does yet: a waiver of it would open nothing."
    if all(rule.scope == "account" for rule in pairs):
        return f"{rule_id} holds on one account, and a waiver is given on a model: it would open nothing."
    return ""


def _happens(rule: StaticRule | DynamicRule) -> bool:
    """Whether there are acts, or declared deeds, for both sides of it."""
    if isinstance(rule, StaticRule):
        return True
    return all(verb in DECLARED or acts_counting_as(verb) for verb in (rule.first, rule.second))
