"""Reports as plain text tables for people at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.analysis.metrics import LABELS
from apps.analysis.verdicts import label_of

_PER_GROUP = ("selection_rate", "tpr", "fpr", "ppv", "accuracy", "auc", "mae", "rmse", "f1_macro", "ndcg")


def lines(report: dict[str, Any]) -> list[str]:
    """The lines of any report of this library."""
    kind = report["schema"].split(".")[1].split("/")[0]
    found = {
        "profile": _profile,
        "drift": _drift,
        "thresholds": _thresholds,
        "comparison": _comparison,
    }.get(kind, _metrics)(report)
    return [visible(line) for line in found + [f"Note: {note}" for note in report.get("notes", ())]]


def visible(text: str) -> str:
    """One line whose control characters are spelt: a value of a file must not steer the terminal it is shown on."""
    return "".join(c if c.isprintable() or c == "\u00a0" else repr(c)[1:-1] for c in text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; the first to the left, the others to the right."""
    every = [list(head), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in every) for i in range(len(head))]
    made = []
    for row in every:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        made.append("  ".join(cells).rstrip())
    return [made[0], "  ".join("-" * w for w in widths), *made[1:]]


def figure(estimate: dict[str, Any]) -> str:
    """ "0.7123 (0.6800 to 0.7421)"; "none (why)" without a value."""
    if estimate["value"] is None:
        return f"none ({estimate['reason']})"
    return f"{estimate['value']:z.4f}{_ends(estimate)}"


def _ends(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None or estimate["high"] is None:
        return ""
    return f" ({estimate['low']:z.4f} to {estimate['high']:z.4f})"


def _metrics(report: dict[str, Any]) -> list[str]:
    overall = report["overall"]
    found = [f"{report['n']:,} rows", ""]
    rows = [
        [LABELS.get(name, name), figure(e), f"{e['n']:,}", e["method"]]
        for name, e in overall["metrics"].items()
    ]
    found += table(
        ["All cases", "value (95 % interval)" if _level(report) == 0.95 else "value", "n", "method"], rows
    )
    for each in overall.get("classes", ()):
        rates = ", ".join(f"{n} {figure(each['metrics'][n])}" for n in ("tpr", "ppv", "f1"))
        found.append(f"class {each['class']}: {rates}")
    for grouping in report.get("groupings", ()):
        names = [n for n in _PER_GROUP if n in overall["metrics"]]
        rows = [
            [group["name"], f"{group['n']:,}", *[figure(group["metrics"][n]) for n in names]]
            for group in grouping["groups"]
        ]
        found += ["", *table([" x ".join(grouping["attributes"]), "n", *names], rows)]
        if grouping.get("disparities"):
            shown = [
                [d["label"], figure(d), " and ".join(d["pair"] or ()), _p(d["p_holm"])]
                for d in grouping["disparities"]
            ]
            found += ["", *table(["Disparity", "value (interval)", "between", "p (Holm)"], shown)]
        found += [limit["sentence"] for limit in grouping.get("limits", ())]
    return found


def _level(report: dict[str, Any]) -> float:
    return float(report["inputs"]["level"])


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if value >= 0.0001 else "<0.0001"


def _profile(report: dict[str, Any]) -> list[str]:
    found = [f"{report['rows']} rows, {report['duplicate_rows']} duplicates"]
    for column in report["columns"]:
        filled = f"{column['n']} filled, {column['missing']} missing, {column['distinct']} distinct"
        words = ", ".join(f"“{s['value']}” {s['n']}" for s in column["sentinels"])
        tail = f"; may mean not known: {words}" if words else ""
        found.append(f"{column['name']}: {column['type']}, {filled}{tail}")
    return found


def _drift(report: dict[str, Any]) -> list[str]:
    n = report["n"]
    found = [f"baseline {n['baseline']:,} rows, current {n['current']:,} rows: {report['verdict']}", ""]
    rows = []
    for f in report["features"]:
        missing = f"{f['missing']['baseline']:.1%} to {f['missing']['current']:.1%}"
        psi = "" if f["psi"] is None else f"{f['psi']:.4f}"
        rows.append([f["name"], f["kind"], psi, f["test"], _p(f["p_holm"]), missing, f["verdict"]])
    found += table(["column", "kind", "PSI", "test", "p (Holm)", "missing", "verdict"], rows)
    differences = report["schema_differences"]
    for key, words in (
        ("only_in_baseline", "only in the baseline"),
        ("only_in_current", "only in the current table"),
    ):
        if differences[key]:
            found.append(f"{words}: {', '.join(differences[key])}")
    found += [f"{c['name']}: {c['baseline']} became {c['current']}" for c in differences["kind_changed"]]
    found += [f"{f['name']}: {f['sentence']}" for f in report["features"] if f["verdict"] != "stable"]
    return found


def _thresholds(report: dict[str, Any]) -> list[str]:
    names = ("selection_rate", "tpr", "fpr", "ppv", "f1")
    rows = [
        [f"{p['threshold']:g}{' locked' if p['locked'] else ''}", *[figure(p["metrics"][n]) for n in names]]
        for p in report["points"]
    ]
    return [f"{report['n']:,} rows", "", *table(["threshold", *names], rows)]


def _comparison(report: dict[str, Any]) -> list[str]:
    head = ["second minus first", "first", "second", "difference (interval)", "p", "p (Holm)", "test"]
    rows = [_compared(name.partition(":")[0], one) for name, one in report["metrics"].items()]
    found = [f"{report['n']:,} rows", "", *table(head, rows)]
    if report.get("groups"):
        head[0:1] = ["group", "second minus first"]
        rows = [[one["group"], *_compared(one["metric"], one)] for one in report["groups"]]
        found += ["", *table(head, rows)]
    return found


def _compared(metric: str, one: dict[str, Any]) -> list[str]:
    name = f"class {one['class']}: {label_of(metric)}" if one.get("class") else label_of(metric)
    sides = [f"{one[k]['value']:z.4f}" if one[k] else "" for k in ("first", "second")]
    return [name, *sides, figure(one["difference"]), _p(one["p"]), _p(one["p_holm"]), one["test"]]
