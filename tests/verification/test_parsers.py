"""Files of other tools: what is read of them, and how bad ones are refused. No database."""

from __future__ import annotations

import json

import pytest

from apps.verification.parsers import Unreadable, parse
from tests.verification.files import FAILED, SKIPPED, case, cobertura, cyclonedx, junit, sarif


def said(kind: str, data: bytes) -> str:
    with pytest.raises(Unreadable) as refused:
        parse(kind, data)
    return str(refused.value)


def test_junit_counts_the_cases_themselves_and_keeps_failures_and_requirements():
    found = parse(
        "junit",
        junit(
            case("test_auc", "REQ-1 req-2"),
            case("test_units[kg-lb]", inner=FAILED),
            case("test_gpu", inner=SKIPPED),
            case("test_broken", inner="<error>boom</error>"),
        ),
    )
    assert found["summary"] == {"tests": 4, "passed": 1, "failed": 2, "skipped": 1}
    assert [each["outcome"] for each in found["details"]] == ["passed", "failed", "skipped", "failed"]
    assert found["details"][0]["requirements"] == ["REQ-1", "REQ-2"]
    assert found["details"][1]["message"] == "assert 0.3 < 0.2"
    assert found["details"][3]["message"] == "boom"
    assert found["produced_at"] == "2026-11-20T09:15:00+00:00"
    assert (found["format"], found["notes"]) == ("junit-xml", [])


def test_a_suite_that_holds_fewer_tests_than_it_says_is_noted_and_a_time_without_zone_is_none():
    found = parse("junit", junit(case("a"), timestamp="2026-11-20T10:15:00", tests=3))
    assert found["notes"] == ["Line 3: the suite pytest says it has 3 tests and holds 1."]
    assert found["produced_at"] == ""


def test_properties_of_a_suite_count_for_its_tests():
    data = junit('<properties><property name="Requirements" value="REQ-7"/></properties>', case("a"), tests=1)
    assert parse("junit", data)["details"][0]["requirements"] == ["REQ-7"]


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><testsuite name="&c;"/>"""
OUTSIDE = (
    b'<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&x;"/></testsuite>'
)


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("junit", b"", "The file is empty."),
        ("junit", b"  \n", "The file is empty."),
        ("junit", b"<testsuites><testsuite></testsuites>", "Line 1, column 26: this is not well-formed XML"),
        ("junit", LAUGHS, "Line 1: the document declares entities"),
        ("junit", OUTSIDE, "declares entities"),
        ("junit", junit(), "The file holds no test case."),
        (
            "junit",
            junit(case("a"), case("a")),
            "Lines 4 and 5: two test cases are called “tests.test_model::a”.",
        ),
        ("junit", b"<testsuite><testcase/></testsuite>", "Line 1: a test case has no name."),
        ("junit", b"<testsuites><testcase name='a'/></testsuites>", "outside any test suite"),
        ("junit", b"<html><testsuite/></html>", "the outermost element is <html>"),
        ("junit", b"<html/>", "the outermost element is <html>"),
        ("junit", b"<testsuite>" * 61, "nested more than 60 deep"),
        ("junit", b'<?xml version="1.0" encoding="x-unheard"?><testsuite/>', "encoding"),
        ("junit", b"<testsuite name='\xff'/>", "Line 1, column"),
        ("junit", b"PK\x03\x04", "This is neither XML nor JSON. Wanted is JUnit XML."),
        ("junit", cobertura(), "This is Cobertura XML. Wanted is JUnit XML"),
        (
            "coverage",
            junit(case("a")),
            "This is JUnit XML. Wanted is Cobertura XML or the JSON of coverage.py",
        ),
        ("coverage", b"<coverage/>", "The report counts no line of code."),
        (
            "coverage",
            b"<coverage><class filename='a'><line number='x' hits='1'/></class></coverage>",
            "Line 1: a line",
        ),
        ("coverage", b'{"meta": {}, "totals": {"covered_lines": 5, "num_statements": 4}}', "More is said"),
        (
            "coverage",
            b'{"meta": {}, "totals": {"covered_lines": "5"}}',
            "“totals.covered_lines” is not a count.",
        ),
        ("sarif", b'{"version": "2.1.0", "runs": []}', "The file has no run in it"),
        ("sarif", b'{"version": "2.0.0", "runs": [{}]}', "This is SARIF 2.0.0; version 2.1.0 is read."),
        ("sarif", b'{"version": "2.1.0", "runs": [{"results": []}]}', "Run 1 names no tool"),
        ("sarif", b'{"version": "2.1.0", "runs": {}}', "“runs” is not a list."),
        ("sarif", sarif(results=None), "Run 1 has no “results”"),
        ("sarif", sarif({"level": "terrible"}), "Run 1, result 1: “terrible” is no level."),
        ("sarif", sarif(invocations=[{"executionSuccessful": False}]), "did not come to its end"),
        ("sarif", cyclonedx(), "This is CycloneDX JSON. Wanted is SARIF 2.1.0"),
        ("sbom", cyclonedx(components=[]), "The bill of materials lists no component."),
        (
            "sbom",
            cyclonedx(components=[{"version": "1"}]),
            "“components”, entry 1: a component without a name.",
        ),
        ("sbom", cyclonedx(components=["x"]), "“components”, entry 1: this is not an object"),
        ("sbom", b'{"spdxVersion": "SPDX-1.2"}', "This is SPDX-1.2; SPDX 2.x in JSON is read."),
        ("sbom", b'{"a": 1}', "The file is of no kind that is read here."),
        ("sbom", b'{"a": 1,}', "Line 1, column 9:"),
        ("sbom", b'{"bomFormat": "CycloneDX", "x": NaN}', "NaN is not a JSON number."),
        ("sbom", b'{"bomFormat": "\xe9"}', "Byte 16 is not UTF-8."),
        ("sbom", b"[" * 100_000, "nested too deep"),
        ("sbom", b"[1]", "not an object"),
        ("benchmark", b'{"benchmarks": []}', "The file holds no benchmark"),
        ("benchmark", b'{"benchmarks": [{"name": "a", "stats": {"mean": -1}}]}', "Benchmark 1, mean"),
        (
            "benchmark",
            b'{"benchmarks": [{"name": "a", "stats": {"mean": 1' + b"0" * 400 + b"}}]}",
            "Benchmark 1, mean: this is not a duration",
        ),
        ("sarif", sarif({"message": {"text": "\ud800"}}), "“\\ud800” is half of a character"),
        ("sbom", cyclonedx(components=[{"name": "a\udfff"}]), "“\\udfff” is half of a character"),
        ("benchmark", b"\x00\x01\x02", "NUL"),
        ("benchmark", b"\xff\xfe\xff", "Byte 1 is not UTF-8"),
        ("picture", b"x", "Say what the file is"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(kind, data, words):
    assert words in said(kind, data)


def test_a_doctype_that_only_names_a_dtd_is_let_through_and_not_fetched():
    doctype = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'
    assert parse("coverage", cobertura(doctype=doctype))["summary"]["percent"] == "75"


def test_cobertura_counts_each_line_once_and_takes_its_time_as_utc():
    found = parse("coverage", cobertura())
    assert found["summary"] == {
        "lines": 4, "covered": 3, "percent": "75", "branches": 2, "branches_covered": 1, "branch_percent": "50",
        "files": 1,
    }  # fmt: skip
    assert found["produced_at"] == "2024-11-20T09:00:00+00:00"
    wrong = parse("coverage", cobertura().replace(b'lines-covered="3"', b'lines-covered="4"'))
    assert wrong["notes"] == ["The report says 4 of 4 lines; its own lines are 3 of 4."]


def test_coverage_is_never_rounded_up():
    data = {"meta": {"version": "7.6.1", "timestamp": "2026-11-20T10:15:00"}, "files": {}}
    data["totals"] = {"covered_lines": 99_999, "num_statements": 100_000}
    found = parse("coverage", json.dumps(data).encode())
    assert found["summary"]["percent"] == "99.99"
    assert (found["produced_at"], found["tool"]) == ("", "coverage.py")
    assert found["notes"] == ["The totals are not the sum of the files."]


def test_sarif_takes_levels_from_result_rule_and_kind_and_leaves_suppressed_findings_uncounted():
    found = parse(
        "sarif",
        sarif(
            {"ruleId": "B301", "message": {"text": "pickle"}, "locations": [
                {"physicalLocation": {"artifactLocation": {"uri": "m.py"}, "region": {"startLine": 9}}}]},
            {"ruleId": "B1", "message": {"text": "x"}},
            {"ruleId": "B301", "kind": "pass"},
            {"ruleId": "B301", "suppressions": [{"kind": "inSource"}]},
            {"ruleId": "B301", "suppressions": [{"kind": "external", "status": "rejected"}]},
        ),
    )  # fmt: skip
    assert found["summary"] == {
        "findings": 5, "error": 2, "warning": 1, "note": 0, "none": 1, "suppressed": 1,
    }  # fmt: skip
    assert found["details"][0]["place"] == "m.py:9"
    assert (found["tool"], found["tool_version"], found["commit"]) == ("bandit", "1.8.0", "4be19d0c")
    assert parse("sarif", sarif())["summary"]["findings"] == 0


def test_bills_of_materials_give_components_with_versions_and_licences():
    found = parse("sbom", cyclonedx())
    assert found["summary"] == {"components": 2, "without_version": 0, "without_licence": 0, "spec": "1.6"}
    assert found["details"][0] == {
        "name": "numpy", "version": "2.3.1", "licence": "BSD-3-Clause", "purl": "pkg:pypi/numpy@2.3.1",
    }  # fmt: skip
    inner = {"name": "outer", "components": [{"name": "inner"}]}
    assert parse("sbom", cyclonedx(components=[inner]))["summary"]["components"] == 2
    spdx = {
        "spdxVersion": "SPDX-2.3",
        "creationInfo": {"created": "2026-11-20T09:00:00Z", "creators": ["Organization: x", "Tool: syft-1.4.1"]},
        "packages": [
            {"name": "zlib", "versionInfo": "1.3", "licenseConcluded": "NOASSERTION", "licenseDeclared": "Zlib"}
        ],
    }  # fmt: skip
    found = parse("sbom", json.dumps(spdx).encode())
    assert (found["tool"], found["tool_version"], found["details"][0]["licence"]) == ("syft", "1.4.1", "Zlib")


def test_benchmarks_are_kept_in_seconds_as_text_and_plain_logs_are_not_interpreted():
    stats = {"mean": 0.25, "stddev": 0.01, "min": 0.2, "max": 0.4, "rounds": 5}
    data = {
        "version": "5.1.0",
        "datetime": "2026-11-20T09:00:00+00:00",
        "commit_info": {"id": "4be19d0c", "dirty": True},
    }
    found = parse(
        "benchmark", json.dumps(data | {"benchmarks": [{"fullname": "t::b", "stats": stats}]}).encode()
    )
    assert found["details"] == [
        {"name": "t::b", "rounds": 5, "mean": "0.25", "stddev": "0.01", "min": "0.2", "max": "0.4"}
    ]
    assert found["notes"][0].startswith("It was measured on a working copy")
    log = parse("benchmark", b"10 M rows\n0.9 s\n")
    assert (log["format"], log["summary"]) == ("text-log", {"lines": 2})


def test_too_many_tests_are_refused():
    many = b"".join(b'<testcase name="t%d"/>' % n for n in range(20_001))
    assert "more than 20,000 test cases" in said("junit", b"<testsuite>" + many + b"</testsuite>")


def test_utf_16_is_read_as_declared():
    data = '<?xml version="1.0" encoding="utf-16"?><testsuite><testcase name="größe"/></testsuite>'.encode(
        "utf-16"
    )
    assert parse("junit", data)["details"][0]["id"] == "größe"
