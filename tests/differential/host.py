"""What the CPU of this machine has, so that the same is emulated where a program can tell."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def _processor() -> tuple[str, frozenset[str]]:
    text = Path("/proc/cpuinfo").read_text()
    values = dict(line.split("\t", 1) for line in text.split("\n\n")[0].splitlines() if "\t" in line)
    return values["vendor_id"].strip(" :\t"), frozenset(values["flags"].split())


def has_protection_keys() -> bool:
    """Whether the kernel uses protection keys: /proc/PID/smaps tells them, and PROT_EXEC alone can't be read."""
    return "ospke" in _processor()[1]


def is_amd() -> bool:
    return _processor()[0] == "AuthenticAMD"
