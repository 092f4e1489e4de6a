"""Small files of other tools, as they write them."""

from __future__ import annotations

import json
from typing import Any

COMMIT = "4be19d0c"
MADE_AT = "2026-11-20T10:15:00+01:00"


def junit(*cases: str, timestamp: str = MADE_AT, tests: int | None = None) -> bytes:
    """JUnit XML of these `<testcase>` elements."""
    count = len(cases) if tests is None else tests
    body = "".join(cases)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<testsuites>\n'
        f'<testsuite name="pytest" tests="{count}" timestamp="{timestamp}">\n{body}</testsuite>\n</testsuites>\n'
    ).encode()


def case(name: str, *requirements: str, inner: str = "", owner: str = "tests.test_model") -> str:
    """One test case that names requirements by a property."""
    named = "".join(f'<property name="requirement" value="{each}"/>' for each in requirements)
    properties = f"<properties>{named}</properties>" if named else ""
    return f'<testcase classname="{owner}" name="{name}" time="0.012">{properties}{inner}</testcase>\n'


FAILED = '<failure message="assert 0.3 &lt; 0.2">Traceback</failure>'
SKIPPED = '<skipped message="no GPU"/>'


def cyclonedx(**changes: Any) -> bytes:
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": {
                "timestamp": "2026-11-20T09:00:00Z",
                "tools": {"components": [{"name": "cyclonedx-py", "version": "7.1.0"}]},
            },
            "components": [
                {
                    "name": "numpy",
                    "version": "2.3.1",
                    "purl": "pkg:pypi/numpy@2.3.1",
                    "licenses": [{"license": {"id": "BSD-3-Clause"}}],
                },
                {"name": "scikit-learn", "version": "1.7.0", "licenses": [{"expression": "BSD-3-Clause"}]},
            ],
        }
        | changes
    ).encode()


def sarif(*results: dict[str, Any], **changes: Any) -> bytes:
    run = {
        "tool": {
            "driver": {
                "name": "bandit",
                "version": "1.8.0",
                "rules": [{"id": "B301", "defaultConfiguration": {"level": "error"}}],
            }
        },
        "invocations": [{"executionSuccessful": True, "endTimeUtc": "2026-11-20T09:30:00Z"}],
        "versionControlProvenance": [{"revisionId": COMMIT}],
        "results": list(results),
    } | changes
    return json.dumps({"version": "2.1.0", "runs": [run]}).encode()


def cobertura(*, doctype: str = "") -> bytes:
    return f"""<?xml version="1.0" ?>{doctype}
<coverage version="7.6.1" timestamp="1732093200000" lines-valid="4" lines-covered="3" line-rate="0.75"
 branches-covered="1" branches-valid="2" branch-rate="0.5" complexity="0">
<packages><package name="m"><classes><class name="a.py" filename="m/a.py"><methods/><lines>
<line number="1" hits="1"/><line number="2" hits="1"/><line number="3" hits="0"/><line number="7" hits="4"/>
</lines></class></classes></package></packages></coverage>""".encode()
