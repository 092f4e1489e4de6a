"""Names to functions, so that a lower app can ask a higher one without importing it.

An asked-for name that nobody registered is an error, never a silent pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def _place(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


class Registry:
    def __init__(self, what: str) -> None:
        self.what = what
        self._functions: dict[str, Callable[..., Any]] = {}

    def __call__(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            known = self._functions.get(name)
            if known is not None and _place(known) != _place(function):
                raise RuntimeError(f"two functions for {self.what} {name}")
            self._functions[name] = function
            return function

        return register

    def __getitem__(self, name: str) -> Callable[..., Any]:
        try:
            return self._functions[name]
        except KeyError:
            raise LookupError(f"no {self.what} is registered as {name!r}") from None

    def get(self, name: str) -> Callable[..., Any] | None:
        return self._functions.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._functions

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._functions))


check = Registry("check")  # gate check name -> fn(version, evidence) -> core.outcomes.Outcome
facts = Registry("facts")  # subject kind -> fn(subject) -> access.facts.Facts
content = Registry("canonical content")  # subject kind -> fn(subject) -> dict (canonical JSON)
# "quality.deviation/1" -> fn(subject) -> the content under that schema, or None where the record says what it could not
earlier_content = Registry("content under the earlier schema")
precondition = Registry("precondition")  # act -> fn(subject) -> None or raises Refused
# act -> fn(person, subject) -> words for what opens a record to this person, entered with the act; or raises Refused
allowance = Registry("allowance")
# subject kind -> fn(person id, subject) -> (kind, id) of what is decided about by the seat of that person, or None;
# "of" -> fn(person id) -> the same of every seat they have; "rows" -> fn(person id) -> queryset of all they ever had;
# "sitting" -> fn(person ids, or None for everybody) -> ids of those who have a seat or are proposed for one
seat = Registry("seat")
# model label "registry.IntendedUse" -> fn(new row) -> what it takes the place of: an object with its fields, or None
predecessor = Registry("predecessor")
decided = Registry("decision")  # subject kind -> fn(record) -> when its release was decided (aware), or None
job = Registry("job")  # job kind -> fn(job) run by the worker
job_failed = Registry("job failure")  # job kind -> fn(job, error) writes the failed end of its record
guard = Registry("guard")  # "job.bind", "job.holds", "job.refuse" -> fn(job): the trail answers for job rows
detector = Registry("detector")  # name -> fn(session): what verify_trail asks of an app above the trail
inspection = Registry(
    "inspection"
)  # "artefact" -> fn(path) -> {"format", "interface"}, computed in the sandbox


class Contributions:
    """Several functions under one name, each from another app; asking calls them all."""

    def __init__(self) -> None:
        self._functions: dict[str, list[Callable[..., Any]]] = {}

    def __call__(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            known = self._functions.setdefault(name, [])
            if all(_place(each) != _place(function) for each in known):
                known.append(function)
            return function

        return register

    def __getitem__(self, name: str) -> list[Callable[..., Any]]:
        return list(self._functions.get(name, ()))


visibility = Contributions()  # model label "registry.Version" -> fn(scopes) -> Q of what those scopes open
tier = Registry("tier")  # subject kind -> fn(pk) -> "low" | "medium" | "high" | "" of that model or version
as_one = Contributions()  # "registry.versions" -> fn(version ids) -> {(kind, id): the record it is part of}
closure = Contributions()  # "datasets.version:family" -> fn(subject) -> more (kind, id) pairs of that closure
# "registry.versions" -> fn() -> the kinds of records of an app that hang on a version: registry.hanging.Hanging
hanging = Contributions()
outside = (
    Contributions()
)  # "places" -> fn() -> configured places the log is told to (trail.destinations.Place)
declared = Contributions()  # subject kind -> fn(ids) -> deeds declared on those records, not done by an act
# "validations.runs" -> fn() -> {name: expression} read with those rows: where nothing hangs on them, nothing is asked
alongside = Contributions()
empowered = (
    Contributions()
)  # "people" -> fn(ids) -> what is in force that they approved, as (their id, Empowered)
parents = Contributions()  # subject kind -> fn(subject) -> more (kind, id) parents on which a duty counts
