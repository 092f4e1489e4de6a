"""Every URL of the house by its name, and the addresses that the matrix asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver, reverse


def routes(patterns: list, namespace: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """(name, names of its parameters) of every URL."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from routes(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            names = pattern.pattern.converters or pattern.pattern.regex.groupindex
            assert pattern.name, f"{pattern.pattern} has no name: nothing can be said of it here"
            yield f"{namespace}{pattern.name}", frozenset(names)


ROUTES = dict(routes(get_resolver().url_patterns))


@dataclass
class Things:
    """Parameters of each URL: for the model lotx that the cast works on, and for visc that they may not see."""

    lotx: dict[str, dict[str, object]]
    visc: dict[str, dict[str, object]]
    people: tuple[str, ...]  # usernames of those the matrix speaks of
    secrets: dict[str, str]  # bearer -> what stands in the header Authorization after "Bearer "

    def addresses(self) -> Iterator[tuple[str, str, str]]:
        """(name, thing, address) of everything that is asked for."""
        for name, wanted in ROUTES.items():
            if not wanted:
                yield name, "-", reverse(name)
                continue
            for thing in ("lotx", "visc"):
                given = getattr(self, thing).get(name)
                if given is not None:
                    yield name, thing, reverse(name, kwargs=given)
