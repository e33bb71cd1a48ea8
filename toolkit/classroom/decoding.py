"""The contract's JSON of one exercise → the record it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.grading.evidence import DiagnosticRecord, Location
from toolkit.grading.report import CheckResult, ExerciseResult, Status


def result_from_json(document: Mapping[str, Any]) -> ExerciseResult:
    """The inverse of ``ExerciseResult.as_json`` (a message keeps its explanation as further lines)."""
    return ExerciseResult(
        document["id"],
        document.get("title", document["id"]),
        tuple(_check(each) for each in document["checks"]),
        tuple(_diagnostic(each) for each in document["diagnostics"]),
        document["instructions"],
    )


def _check(document: Mapping[str, Any]) -> CheckResult:
    first, *rest = str(document["message"]).split("\n")
    return CheckResult(
        document["name"],
        Status(document["status"]),
        document["max_score"],
        first,
        document["expected"],
        document["actual"],
        document["help"],
        _location(document["location"]),
        document["visibility"],
        tuple(rest),
    )


def _location(document: Mapping[str, Any] | None) -> Location | None:
    if document is None:
        return None
    return Location(document["file"], document["line"], document["column"] or 0)


def _diagnostic(document: Mapping[str, Any]) -> DiagnosticRecord:
    return DiagnosticRecord(
        document["severity"],
        document["message"],
        document["text"],
        _location(document["location"]),
        document["help"],
    )
