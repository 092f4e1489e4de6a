"""`manage.py analyse`: output, exit codes, and no database."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator

from apps.analysis import fairness, schemas
from apps.analysis.jsonform import to_json
from tests.analysis.tables import results, write

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path):
    return write(results(1500), tmp_path / "cases.csv")


def analyse(*arguments):
    out = io.StringIO()
    call_command("analyse", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_fairness_prints_the_library_s_report(file):
    out = analyse(
        "fairness", file, "--label", "y", "--prediction", "p", "--score", "s", "--groups", "race,sex",
        "--intersections", "--limit", "disparate_impact=0.8:far", "--json",
    )  # fmt: skip
    limits = [{"metric": "disparate_impact", "limit": 0.8, "rule": "far"}]
    assert out == to_json(
        fairness.report(file, "y", "p", "s", ["race", "sex"], intersections=True, limits=limits)
    )


def test_performance_and_profile_print_json(file):
    found = json.loads(analyse("performance", file, "--label", "y", "--prediction", "p", "--json"))
    assert found["schema"] == "countersign.performance/1"
    assert json.loads(analyse("profile", file, "--json"))["rows"] == 1500


def test_without_json_it_speaks_to_people(file):
    out = analyse(
        "fairness",
        file,
        "--label",
        "y",
        "--prediction",
        "p",
        "--groups",
        "sex",
        "--limit",
        "disparate_impact=0.5",
    )
    assert "\nsex = F  " in out
    assert "value (95 % interval)" in out
    assert "Within limit: the one comparison keeps it; limit at least 0.5." in out
    assert analyse("profile", file).startswith("1500 rows, 0 duplicates\nrace: text, ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--label", "nothing"], "There is no column “nothing”"),
        (["--label", "race"], "not binary"),
        (["--label", "y", "--positive", "yes"], "positive value yes"),
        (["--label", "y", "--limit", "disparate_impact"], "A limit needs a metric and a number."),
        (["--label", "y", "--where", "sex=X"], "None of the 1,500 rows has “sex” = “X”"),
        (["--label", "y", "--where", "sex"], "A condition is COL=VALUE, not “sex”."),
        (["--label", "y", "--score", "s", "--threshold", "2"], "A threshold lies between 0 and 1, not at 2."),
        (["--label", "y", "--weight", "p"], "“p” is named as prediction and as weight"),
        (["--label", "y", "--score", "race"], "in 1,500 of 1,500 rows (1,500 text)"),
        (["--label", "y", "--groups", "s"], "“s” has 1,500 values; at most 60 groups are compared"),
    ],
)
def test_bad_input_exits_2_with_a_sentence(file, arguments, sentence, capsys):
    with pytest.raises(SystemExit) as exit_:
        analyse("fairness", file, "--prediction", "p", "--groups", "sex", *arguments)
    assert exit_.value.code == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert said.out == ""


def test_values_of_a_file_do_not_steer_the_terminal(tmp_path, capsys):
    path = tmp_path / "hostile.csv"
    path.write_text('y,p,g\n0,0,"a\x1b[2J\nb"\n1,1,c\n')
    out = analyse("fairness", path, "--label", "y", "--prediction", "p", "--groups", "g")
    assert "g = a\\x1b[2J\\nb" in out
    assert "\x1b" not in out
    with pytest.raises(SystemExit):
        analyse("fairness", path, "--label", "g", "--prediction", "g", "--groups", "y", "--positive", "z")
    assert "\x1b" not in capsys.readouterr().err


def test_only_some_rows_and_says_so(file):
    asked = ("--label", "y", "--prediction", "p", "--groups", "race", "--json")
    women = json.loads(analyse("fairness", file, "--where", "sex=F", *asked))
    men = json.loads(analyse("fairness", file, "--where", "sex=M", *asked))
    assert women["n"] + men["n"] == 1500
    assert women["inputs"]["where"] == {"sex": "F"}
    assert women["notes"][0] == "Only the rows with “sex” = “F”."
    Draft202012Validator(schemas.load()).validate(women)


def test_as_a_process_it_needs_no_database_and_keeps_the_exit_codes(file, tmp_path):
    def run(*arguments):
        environment = {
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": f"sqlite:///{tmp_path}/never-made.sqlite3",
            "COUNTERSIGN_DATA": str(tmp_path / "data"),
            "COUNTERSIGN_BOOTSTRAP": "off",
        }
        command = [sys.executable, "manage.py", "analyse", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)

    good = run("fairness", file, "--label", "y", "--prediction", "p", "--groups", "sex", "--json")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["n"] == 1500
    assert not (tmp_path / "never-made.sqlite3").exists()
    latin = tmp_path / "latin.csv"
    latin.write_bytes("y,p,g\n1,1,é\n".encode("latin-1"))
    bad = run("fairness", latin, "--label", "y", "--prediction", "p", "--groups", "g", "--json")
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert bad.stderr.strip() == "The file is not UTF-8 text: line 2 holds a byte of another encoding."
