"""Names to functions: an unknown name is an error, two functions under one name as well."""

from __future__ import annotations

import pytest

from apps.core import registries
from apps.core.registries import Contributions, Registry


def test_asked_for_and_found():
    registry = Registry("check")

    @registry("b")
    @registry("a")
    def answer():
        return 42

    assert registry["a"]() == registry["b"]() == 42
    assert list(registry) == ["a", "b"]
    assert "a" in registry
    assert "c" not in registry


def test_an_unknown_name_is_an_error_never_a_silent_pass():
    registry = Registry("check")
    with pytest.raises(LookupError, match="no check is registered as 'c'"):
        registry["c"]
    assert registry.get("c") is None


def test_two_functions_under_one_name_are_an_error():
    registry = Registry("check")

    @registry("a")
    def one(): ...

    registry("a")(one)  # a module read twice
    with pytest.raises(RuntimeError, match="two functions for check a"):

        @registry("a")
        def two(): ...


def test_functions_of_the_same_name_in_two_apps_are_two_functions():
    registry = Registry("job")

    def run(): ...

    registry("a")(run)
    other = type(run)(run.__code__, {"__name__": "another.app"}, run.__name__)
    other.__qualname__ = run.__qualname__
    with pytest.raises(RuntimeError, match="two functions for job a"):
        registry("a")(other)


def test_contributions_are_all_asked_once_each():
    gives = Contributions()

    @gives("x")
    def one():
        return 1

    @gives("x")
    def two():
        return 2

    gives("x")(one)
    assert [give() for give in gives["x"]] == [1, 2]
    assert gives["y"] == []
    gives["x"].clear()
    assert len(gives["x"]) == 2, "what is handed out is a copy"


def test_every_job_has_its_failure():
    assert list(registries.job) == list(registries.job_failed)
    assert list(registries.job), "jobs are registered"
