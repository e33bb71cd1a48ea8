"""One exercise's result as the store keeps it: the contract's JSON and what that leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.grading.categories import Category
from toolkit.grading.evidence import DiagnosticRecord, Location
from toolkit.grading.report import CheckResult, ExerciseResult, Status


def stored_json(result: ExerciseResult) -> dict[str, object]:
    """What ``result_from_json`` can make the result of again."""
    categories = [check.category.value for check in result.checks]
    return {**result.as_json(), "title": result.title, "categories": categories}


def result_from_json(document: Mapping[str, Any]) -> ExerciseResult:
    """The inverse of ``stored_json`` (a message keeps its explanation as further lines)."""
    checks = document["checks"]
    categories = document.get("categories", [Category.OTHER] * len(checks))
    return ExerciseResult(
        document["id"],
        document.get("title", document["id"]),
        tuple(_check(each, category) for each, category in zip(checks, categories, strict=True)),
        tuple(_diagnostic(each) for each in document["diagnostics"]),
        document["instructions"],
    )


def _check(document: Mapping[str, Any], category: str) -> CheckResult:
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
        Category(category),
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
