"""What a record tells about itself when permission or separation is asked: parents, closures, declared deeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from apps.access.separation import Deed
from apps.access.sharing import once
from apps.core import registries
from apps.core.subjects import Subject

Pair = tuple[str, int]
ACCOUNT = "accounts.user"


@dataclass(frozen=True)
class Facts:
    """parents: where a duty counts. closures: separation scope -> records. declared: deeds named, not done by act.

    The closure `itself` is no scope of a rule: it names the one model version that the record hangs on, if any.
    Nor is `reviewed`: it names the records whose every act a review covers, where those are not the record itself.
    """

    parents: tuple[Pair, ...]
    closures: dict[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    declared: tuple[Deed, ...] = ()
    anywhere: frozenset[str] = frozenset()  # duties that count here wherever they are held


def pairs(kind: str, ids: Iterable[object]) -> frozenset[tuple[str, str]]:
    return frozenset((kind, str(pk)) for pk in ids)


def facts_of(subject: Subject) -> Facts:
    """The registered facts of `subject`, with what other apps add; a kind nobody registered is refused."""
    return once(("facts", subject.subject_kind, subject.pk), lambda: _facts_of(subject))


def _facts_of(subject: Subject) -> Facts:
    kind = subject.subject_kind
    base: Facts = registries.facts[kind](subject)
    extra_parents = tuple(pair for give in registries.parents[kind] for pair in give(subject))
    closures = dict(base.closures)
    closures["record"] = closures.get("record", frozenset()) | pairs(kind, [subject.pk])
    closures["account"] = closures["record"] if kind == ACCOUNT else frozenset()
    added: set[tuple[str, str]] = set()
    for scope in ("siblings", "version", "lineage", "family"):
        more = frozenset().union(*(give(subject) for give in registries.closure[f"{kind}:{scope}"]))
        added |= more - closures.get(scope, frozenset())
        closures[scope] = closures.get(scope, frozenset()) | more
    return replace(
        base,
        parents=base.parents + extra_parents,
        closures=closures,
        declared=base.declared + _declared_on(added),
    )


def _declared_on(added: set[tuple[str, str]]) -> tuple[Deed, ...]:
    """Deeds declared on the records other apps added: the authors of a version that a test set tests, say."""
    by_kind: dict[str, set[str]] = {}
    for kind, pk in added:
        by_kind.setdefault(kind, set()).add(pk)
    return tuple(
        deed for kind, ids in by_kind.items() for give in registries.declared[kind] for deed in give(ids)
    )
