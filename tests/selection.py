"""What a plain run leaves out, and the last lines that say so.

Left out unless asked for: `tests/e2e` (needs a browser; name the folder), tests marked `slow`, `spark` or `soak`
(name them with `-m`). With `--only-database` also every test that touches no database: on a second database such a
test has nothing new to say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

E2E = Path(__file__).resolve().parent / "e2e"
_LEFT_OUT = pytest.StashKey[dict[str, int]]()


def _browser_asked_for(config: pytest.Config) -> bool:
    named = (Path(str(config.invocation_params.dir), arg.split("::")[0]).resolve() for arg in config.args)
    return any(path == E2E or E2E in path.parents for path in named)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-database", action="store_true", help="leave out the tests that touch no database"
    )


def _touches_the_database(item: pytest.Item) -> bool:
    return bool(
        item.get_closest_marker("django_db")
        or {"db", "transactional_db", "live_server"}.intersection(getattr(item, "fixturenames", ()))
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = {}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path == E2E and not _browser_asked_for(config):
        config.stash[_LEFT_OUT]["e2e"] = sum(1 for _ in E2E.rglob("test_*.py"))
        return True
    return None


def _place(item: pytest.Item) -> int:
    """What takes minutes begins first and what takes long second: the processes beside it share the rest."""
    return 0 if item.get_closest_marker("slow") else 1 if item.get_closest_marker("long") else 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.only_database:
        pure = [item for item in items if not _touches_the_database(item)]
        config.hook.pytest_deselected(items=pure)
        items[:] = [item for item in items if _touches_the_database(item)]
    if config.option.markexpr or _browser_asked_for(config):
        items.sort(key=_place)
    if config.option.markexpr:
        return
    kept, dropped = [], []
    for item in items:
        marks = [name for name in ("slow", "spark", "soak") if item.get_closest_marker(name)]
        if marks:
            dropped.append(item)
            config.stash[_LEFT_OUT][marks[0]] = config.stash[_LEFT_OUT].get(marks[0], 0) + 1
        else:
            kept.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under xdist the workers collect; each one's count travels to the process that writes the last lines."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[_LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    node.config.stash[_LEFT_OUT].update(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash[_LEFT_OUT]
    if hasattr(config, "workerinput") or config.option.markexpr:
        return
    sentences = {
        "e2e": "{} files in tests/e2e need a browser: python3 manage.py test tests/e2e",
        "slow": "{} slow tests make new environments or take minutes: python3 manage.py test -m slow",
        "spark": "{} test of Spark, Ibis and Polars needs them: .ci/engines says how",
        "soak": "{} soak tests run long: make soak",
    }
    if E2E.is_dir() and not _browser_asked_for(config):
        left_out.setdefault("e2e", sum(1 for _ in E2E.rglob("test_*.py")))
    for kind, count in left_out.items():
        if count:
            terminalreporter.write_line("Not selected: " + sentences[kind].format(count))
