"""A report → the formats other systems read. Pure functions; field names as their owners document them.

What is hidden stays out: formats that are shown to the student by their reader carry the check's visibility.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape, quoteattr

from toolkit.grading.report import CheckResult, ExerciseResult, Report, Status, points


def export(report: Report, format_name: str, environment: Mapping[str, str] | None = None) -> str:
    """The document of a format named in ``formats.FORMATS`` (all but ``pretty``). Raises KeyError for another."""
    if format_name == "classroom50":
        return to_classroom50(report, os.environ if environment is None else environment)
    return EXPORTERS[format_name](report)


def _dump(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_json(report: Report) -> str:
    """The contract's own document. Byte-identical for the same submission and seed."""
    return _dump(report.as_json())


def details(check: CheckResult) -> str:
    """Everything a reader should be told about a check, in lines."""
    lines = [check.full_message] if check.message else []
    lines += [f"expected: {check.expected}"] if check.expected is not None else []
    lines += [f"actual: {check.actual}"] if check.actual is not None else []
    lines += [f"where: {check.location}"] if check.location is not None else []
    lines += [f"help: {check.help}"] if check.help and check.status is Status.FAILED else []
    return "\n".join(lines)


def _name(exercise: ExerciseResult, check: CheckResult) -> str:
    return f"{exercise.identity}: {check.name}"


# -- JUnit -----------------------------------------------------------------------------------------------------


def to_junit(report: Report) -> str:
    """JUnit XML: a suite for each exercise; a broken check is an error, a failed one a failure."""
    counts = report.counts()
    total = sum(counts.values())
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(
        f'<testsuites name="toolkit" tests="{total}" failures="{counts[Status.FAILED]}"'
        f' errors="{counts[Status.BROKEN]}" skipped="{counts[Status.SKIPPED]}">'
    )
    for exercise in report.exercises:
        lines += _junit_suite(exercise)
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _junit_suite(exercise: ExerciseResult) -> list[str]:
    statuses = [check.status for check in exercise.checks]
    lines = [
        f'  <testsuite name={_attribute(exercise.identity)} tests="{len(statuses)}"'
        f' failures="{statuses.count(Status.FAILED)}" errors="{statuses.count(Status.BROKEN)}"'
        f' skipped="{statuses.count(Status.SKIPPED)}">'
    ]
    class_name = exercise.identity.replace("/", ".")
    for check in exercise.checks:
        lines += _junit_case(class_name, check)
    return [*lines, "  </testsuite>"]


_JUNIT_ELEMENT = {Status.FAILED: "failure", Status.BROKEN: "error", Status.SKIPPED: "skipped"}


def _junit_case(class_name: str, check: CheckResult) -> list[str]:
    place = ""
    if check.location is not None:
        place = f' file={_attribute(check.location.file)} line="{check.location.line}"'
    head = f"    <testcase name={_attribute(check.name)} classname={_attribute(class_name)}{place}"
    if check.status is Status.PASSED:
        return [head + "/>"]
    element = _JUNIT_ELEMENT[check.status]
    message = _attribute(check.message)
    if check.status is Status.SKIPPED:
        return [head + ">", f"      <skipped message={message}/>", "    </testcase>"]
    body = f"      <{element} message={message} type={_attribute(check.status.value)}>{_xml(details(check))}</{element}>"
    return [head + ">", body, "    </testcase>"]


def _xml(text: str) -> str:
    """Escaped, without the control characters that XML 1.0 has no way to write."""
    return escape(
        "".join(c if c in "\n\t" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in text)
    )


def _attribute(text: str) -> str:
    return quoteattr(_xml_text(text))


def _xml_text(text: str) -> str:
    return "".join(c if c in "\n\t" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in text)


# -- course systems --------------------------------------------------------------------------------------------


def to_gradescope(report: Report) -> str:
    """Gradescope's results.json. Broken checks fail the top ``output``, so that nobody takes them for the student's."""
    tests = []
    for exercise in report.exercises:
        for check in exercise.checks:
            test: dict[str, object] = {
                "name": _name(exercise, check),
                "score": check.score,
                "max_score": check.max_score,
                "output": details(check),
                "output_format": "text",
                "visibility": check.visibility,
            }
            if check.status in (Status.PASSED, Status.FAILED):
                test["status"] = check.status.value
            else:
                test["status"] = "failed"
                test["tags"] = [check.status.value]
            tests.append(test)
    return _dump({"score": report.score, "output": _summary(report), "output_format": "text", "tests": tests})


def to_classroom50(report: Report, environment: Mapping[str, str]) -> str:
    """Classroom 50's result.json (``classroom50/result/v1``). Scores are whole numbers there: points are rounded down."""
    tests = [
        {
            "test-name": _name(exercise, check),
            "passed": check.status is Status.PASSED,
            "score": int(check.score),
            "max-score": int(check.max_score),
            "status": check.status.value,
            "message": details(check),
        }
        for exercise in report.exercises
        for check in exercise.checks
    ]
    document: dict[str, object] = {"schema": "classroom50/result/v1"}
    for field, variable in (
        ("classroom", "CLASSROOM"),
        ("assignment", "ASSIGNMENT"),
        ("submission", "SUBMISSION_TAG"),
        ("commit", "COMMIT_URL"),
        ("release", "RELEASE_URL"),
        ("review", "REVIEW_URL"),
    ):
        document[field] = environment.get(variable, "")
    document |= {
        "score": sum(int(c.score) for c in report.checks),
        "max-score": sum(int(c.max_score) for c in report.checks),
    }
    return _dump(document | {"tests": tests})


LARGEST_PRAIRIELEARN = 1_000_000  # bytes that PrairieLearn takes


def to_prairielearn(report: Report) -> str:
    """PrairieLearn's grading result; messages are shortened until the document fits its limit."""
    for longest in (20_000, 2_000, 200, 0):
        document = _dump(_prairielearn(report, longest))
        if len(document.encode()) <= LARGEST_PRAIRIELEARN:
            break
    return document


def _prairielearn(report: Report, longest: int) -> dict[str, object]:
    tests = [
        {
            "name": _name(exercise, check),
            "description": check.help or "",
            "points": check.score,
            "max_points": check.max_score,
            "message": details(check)[:longest],
        }
        for exercise in report.exercises
        for check in exercise.checks
    ]
    broken = any(check.status is Status.BROKEN for check in report.checks)
    return {
        "gradable": not broken,
        "score": report.score / report.max_score if report.max_score else float(report.exit_status == 0),
        "message": _summary(report),
        "format_errors": [],
        "tests": tests,
    }


def to_exercism(report: Report) -> str:
    """Exercism's results.json, version 3. ``error`` only where nothing could run."""
    built = [exercise for exercise in report.exercises if exercise.checks[0].status is Status.PASSED]
    status = "pass" if report.exit_status == 0 else "fail" if built else "error"
    document: dict[str, object] = {"version": 3, "status": status, "message": None, "tests": []}
    if status == "error":
        document["message"] = "\n".join(
            [details(exercise.checks[0]) for exercise in report.exercises]
            + [each.text for exercise in report.exercises for each in exercise.diagnostics]
        )
        return _dump(document)
    document["tests"] = [
        {
            "name": _name(exercise, check),
            "test_code": check.help or check.name,
            "status": {Status.PASSED: "pass", Status.FAILED: "fail"}.get(check.status, "error"),
            "message": details(check) or None,
            "output": None,
        }
        for exercise in report.exercises
        for check in exercise.checks
    ]
    return _dump(document)


def to_check50(report: Report) -> str:
    """check50's JSON. ``passed`` is null for what did not run."""
    results: list[dict[str, object]] = []
    for exercise in report.exercises:
        for check in exercise.checks:
            passed = {Status.PASSED: True, Status.FAILED: False}.get(check.status)
            cause: dict[str, object] | None = None
            if passed is not True:
                cause = {"rationale": check.full_message, "help": check.help}
                cause |= (
                    {} if check.expected is None else {"expected": check.expected, "actual": check.actual}
                )
                cause |= (
                    {"error": {"type": "broken", "value": check.message}}
                    if check.status is Status.BROKEN
                    else {}
                )
            results.append(
                {
                    "name": _name(exercise, check),
                    "description": check.name,
                    "passed": passed,
                    "log": [],
                    "cause": cause,
                    "data": {},
                    "dependency": None,
                }
            )
    slug = ",".join(exercise.identity for exercise in report.exercises)
    return _dump({"slug": slug, "results": results, "version": report.toolkit})


# -- text ------------------------------------------------------------------------------------------------------


def to_github(report: Report) -> str:
    """Workflow commands for GitHub: failures first, because at most ten of a type are shown for a step."""
    lines = []
    for exercise in report.exercises:
        for check in exercise.checks:
            if check.status in (Status.FAILED, Status.BROKEN):
                lines.append(_annotation(exercise, check))
    lines.sort(key=lambda line: not line.startswith("::error"))
    return "\n".join([*lines, f"::notice title=toolkit::{_github_data(_summary(report))}"]) + "\n"


def _annotation(exercise: ExerciseResult, check: CheckResult) -> str:
    properties = []
    if check.location is not None:
        name = f"exercises/{exercise.identity}/{check.location.file}"
        properties += [f"file={_github_property(name)}", f"line={check.location.line}"]
        properties += [f"col={check.location.column}"] if check.location.column else []
    properties.append(f"title={_github_property(_name(exercise, check))}")
    kind = "error" if check.status is Status.FAILED else "warning"
    return f"::{kind} {','.join(properties)}::{_github_data(details(check))}"


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")


def to_tap(report: Report) -> str:
    """TAP 14. A skipped check is ``ok … # SKIP``; a failed or broken one has a YAML block."""
    lines = ["TAP version 14", f"1..{len(list(report.checks))}"]
    number = 0
    for exercise in report.exercises:
        for check in exercise.checks:
            number += 1
            word = "ok" if check.status in (Status.PASSED, Status.SKIPPED) else "not ok"
            skip = f" # SKIP {_tap_text(check.message)}" if check.status is Status.SKIPPED else ""
            lines.append(f"{word} {number} - {_tap_text(_name(exercise, check))}{skip}")
            if word == "not ok":
                lines += _tap_block(check)
    return "\n".join(lines) + "\n"


def _tap_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("#", "\\#").replace("\n", " ")


def _tap_block(check: CheckResult) -> list[str]:
    fields: dict[str, object] = {"message": check.full_message, "severity": check.status.value}
    fields |= {"expected": check.expected, "actual": check.actual} if check.expected is not None else {}
    fields |= {"at": str(check.location)} if check.location is not None else {}
    # A JSON string is a YAML double-quoted scalar (YAML 1.2, 10.2), so no text can leave its line.
    return ["  ---", *(f"  {name}: {json.dumps(value)}" for name, value in fields.items()), "  ..."]


_WORDS = {
    Status.PASSED: "✅ passed",
    Status.FAILED: "❌ failed",
    Status.SKIPPED: "⏭ skipped",
    Status.BROKEN: "⚠ broken",
}


def to_markdown(report: Report) -> str:
    """A table of exercises and checks, and the details of what did not pass; for a step summary."""
    lines = [f"# {_summary(report)}", "", "| Exercise | Check | Result | Points |", "|---|---|---|---:|"]
    for exercise in report.exercises:
        for check in exercise.checks:
            score = f"{points(check.score)}/{points(check.max_score)}"
            lines.append(f"| {exercise.identity} | {_cell(check.name)} | {_WORDS[check.status]} | {score} |")
    for exercise in report.exercises:
        for check in exercise.checks:
            if check.status in (Status.FAILED, Status.BROKEN):
                fence = "`" * max(3, _longest_run(details(check)) + 1)
                lines += [
                    "",
                    f"## {_cell(_name(exercise, check))}",
                    "",
                    fence + "text",
                    details(check),
                    fence,
                ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return escape(text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " "))


def _longest_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def to_csv(report: Report) -> str:
    """One row a check. Cells that a spreadsheet would take for a formula get a leading apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["exercise", "check", "status", "score", "max_score", "message", "location"])
    for exercise in report.exercises:
        for check in exercise.checks:
            location = str(check.location) if check.location is not None else ""
            row = [
                exercise.identity,
                check.name,
                check.status.value,
                points(check.score),
                points(check.max_score),
            ]
            writer.writerow([_harmless(cell) for cell in [*row, check.full_message, location]])
    return stream.getvalue()


def _harmless(cell: str) -> str:
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _summary(report: Report) -> str:
    passed = sum(exercise.status is Status.PASSED for exercise in report.exercises)
    broken = report.counts()[Status.BROKEN]
    text = f"{passed} of {len(report.exercises)} exercises passed, {points(report.score)} of {points(report.max_score)} points"
    return text + (f"; {broken} checks are broken, which is not the student's fault" if broken else "")


EXPORTERS: dict[str, Callable[[Report], str]] = {
    "json": to_json,
    "junit": to_junit,
    "gradescope": to_gradescope,
    "github": to_github,
    "tap": to_tap,
    "markdown": to_markdown,
    "csv": to_csv,
    "prairielearn": to_prairielearn,
    "exercism": to_exercism,
    "check50": to_check50,
}
