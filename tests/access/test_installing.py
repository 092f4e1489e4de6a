"""`manage.py install_organisation` on a database of its own, as an operator runs it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = (
    *("--administrator", "ada", "--administrator-name", "Ada Administrator"),
    *("--compliance", "cora", "--compliance-name", "Cora Compliance"),
)
PASSWORDS = {
    "COUNTERSIGN_ADMINISTRATOR_PASSWORD": "a phrase of some length",
    "COUNTERSIGN_COMPLIANCE_PASSWORD": "another phrase of some length",
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A folder with a migrated, empty database; each test copies nothing and starts from what stands."""
    folder = tmp_path_factory.mktemp("installing")
    assert manage(folder, "migrate", "--verbosity", "0").returncode == 0
    return folder


def manage(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess:
    given = os.environ | {
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "COUNTERSIGN_TEST_DATA": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'scratch.sqlite3'}",
        **PASSWORDS,
        **more,
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        timeout=180,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def installed(folder: Path) -> list[tuple]:
    with sqlite3.connect(folder / "scratch.sqlite3") as database:
        return database.execute(
            "SELECT u.username, a.duty, a.state FROM access_assignment a"
            " JOIN accounts_user u ON u.id = a.person_id ORDER BY u.username"
        ).fetchall()


@pytest.mark.long
def test_it_installs_once_and_says_why_not_twice(empty):
    short = manage(empty, "install_organisation", *PEOPLE, COUNTERSIGN_COMPLIANCE_PASSWORD="short")
    assert short.returncode == 2
    assert "The password of the compliance is shorter than 12 characters." in short.stderr
    assert installed(empty) == []

    one = manage(
        empty, "install_organisation", *PEOPLE[:4], "--compliance", "ADA", "--compliance-name", "Ada Again"
    )
    assert one.returncode == 2
    assert "The two first people must be two people." in one.stderr
    assert installed(empty) == []

    same = manage(empty, "install_organisation", *PEOPLE[:7], "ADA  Administrator")
    assert same.returncode == 2
    assert "Add a middle name or a title" in same.stderr
    assert installed(empty) == []

    bad = manage(empty, "install_organisation", "--administrator", "Ada Admin", *PEOPLE[2:])
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr
    assert installed(empty) == []

    done = manage(empty, "install_organisation", *PEOPLE)
    assert (done.returncode, done.stdout.strip()) == (0, "Installed: ada, cora"), done.stderr
    assert installed(empty) == [("ada", "administrator", "approved"), ("cora", "compliance", "approved")]

    again = manage(empty, "install_organisation", *PEOPLE)
    assert again.returncode == 1
    assert "The organisation is installed already. There are assignments." in again.stderr
    assert "Traceback" not in again.stderr
    assert len(installed(empty)) == 2

    for said in (short, one, bad, done, again):
        for password in PASSWORDS.values():
            assert password not in said.stdout + said.stderr
