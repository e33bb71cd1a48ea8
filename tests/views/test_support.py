"""The table of system calls that `toolkit doctor --syscalls` prints."""

from __future__ import annotations

from toolkit.kernel.syscalls import support_table
from toolkit.personality.linux_i386 import PERSONALITY as I386
from toolkit.personality.linux_x86_64 import PERSONALITY as X86_64
from toolkit.views.support import support_text


def test_every_call_has_one_line() -> None:
    lines = support_text().splitlines()
    for personality in (X86_64, I386):
        for number, name in personality.syscall_names.items():
            assert any(line.startswith(f"| {number} | {name} | ") for line in lines)
    assert len([line for line in lines if line.startswith("| ")]) == 2 + len(X86_64.syscall_names) + len(
        I386.syscall_names
    )


def test_what_is_not_full_says_why() -> None:
    for personality in (X86_64, I386):
        for row in support_table(personality):
            assert row.note or row.support in ("full", "missing"), row


def test_summary_counts_the_lines() -> None:
    text = support_text()
    head = next(line for line in text.splitlines() if line.startswith("## Linux x86_64"))
    section = text.partition(head)[2].partition("## Linux i386")[0]
    full = section.count("| full |")
    assert f"{full} full" in head
    assert "| read | full | files |" in section
