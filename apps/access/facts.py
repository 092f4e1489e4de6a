"""What a record tells about itself when permission or separation is asked: parents, closures, declared deeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from apps.access.separation import Deed
from apps.access.sharing import once
from apps.core import registries
from apps.core.subjects import Subject

Pair = tuple[str, int]
ACCOUNT = "accounts.user"


Closures = Mapping[str, frozenset[tuple[str, str]]]
Told = tuple[Closures, tuple[Deed, ...]]


class Facts:
    """parents: where a duty counts. closures: separation scope -> records. declared: deeds named, not done by act.

    The closure `itself` is no scope of a rule: it names the one model version that the record hangs on, if any.
    Nor is `reviewed`: it names the records whose every act a review covers, where those are not the record itself.

    `later` reads closures and declared deeds when a rule first asks for them: most acts that are refused, and every act
    that counts as nothing for separation, never do.
    """

    def __init__(
        self,
        parents: tuple[Pair, ...],
        closures: Closures | None = None,
        declared: tuple[Deed, ...] = (),
        anywhere: frozenset[str] = frozenset(),  # duties that count here wherever they are held
        *,
        later: Callable[[], Told] | None = None,
    ) -> None:
        self.parents = parents
        self.anywhere = anywhere
        self._later: Callable[[], Told] = later or (lambda: (closures or {}, declared))

    @cached_property
    def _told(self) -> Told:
        return self._later()

    @property
    def closures(self) -> Closures:
        return self._told[0]

    @property
    def declared(self) -> tuple[Deed, ...]:
        return self._told[1]

    def besides(
        self, closures: Callable[[], Closures] = dict, declared: Callable[[], Iterable[Deed]] = tuple
    ) -> Facts:
        """These facts with other closures in the place of theirs and more declared deeds, both read later."""

        def told() -> Told:
            return {**self.closures, **closures()}, (*self.declared, *declared())

        return Facts(self.parents, anywhere=self.anywhere, later=told)


def pairs(kind: str, ids: Iterable[object]) -> frozenset[tuple[str, str]]:
    return frozenset((kind, str(pk)) for pk in ids)


def facts_of(subject: Subject) -> Facts:
    """The registered facts of `subject`, with what other apps add; a kind nobody registered is refused."""
    return once(("facts", subject.subject_kind, subject.pk), lambda: _facts_of(subject))


def _facts_of(subject: Subject) -> Facts:
    kind = subject.subject_kind
    base: Facts = registries.facts[kind](subject)
    extra_parents = tuple(pair for give in registries.parents[kind] for pair in give(subject))
    return Facts(base.parents + extra_parents, anywhere=base.anywhere, later=lambda: _told_of(subject, base))


def _told_of(subject: Subject, base: Facts) -> Told:
    kind = subject.subject_kind
    closures = dict(base.closures)
    closures["record"] = closures.get("record", frozenset()) | pairs(kind, [subject.pk])
    closures["account"] = closures["record"] if kind == ACCOUNT else frozenset()
    added: set[tuple[str, str]] = set()
    for scope in ("siblings", "version", "lineage", "family"):
        more = frozenset().union(*(give(subject) for give in registries.closure[f"{kind}:{scope}"]))
        added |= more - closures.get(scope, frozenset())
        closures[scope] = closures.get(scope, frozenset()) | more
    return closures, base.declared + _declared_on(added)


def _declared_on(added: set[tuple[str, str]]) -> tuple[Deed, ...]:
    """Deeds declared on the records other apps added: the authors of a version that a test set tests, say."""
    by_kind: dict[str, set[str]] = {}
    for kind, pk in added:
        by_kind.setdefault(kind, set()).add(pk)
    return tuple(
        deed for kind, ids in by_kind.items() for give in registries.declared[kind] for deed in give(ids)
    )
