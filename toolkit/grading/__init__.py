"""Grading: exercises, checks, and reports. A grader imports its vocabulary from here (see README.md)."""

from __future__ import annotations

from toolkit.grading.checks import Check, Failure, check, fail, regex

__all__ = ["Check", "Failure", "check", "fail", "regex"]
