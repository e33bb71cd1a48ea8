"""The README of the assembler tells what is compared today."""

from __future__ import annotations

from tests.asm.feature_table import README, rows, written


def test_the_counts_are_todays() -> None:
    assert README.read_text(encoding="utf-8") == written(), "run: python -m tests.asm.feature_table"


def test_there_are_the_cases_that_were_promised() -> None:
    counts = dict(rows())
    assert sum(count for what, count in counts.items() if "manual" in what) >= 400
    assert counts["links compared with ld's"] >= 100
