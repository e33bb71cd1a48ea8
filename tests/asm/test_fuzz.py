"""The assembler and linker on programs nobody meant (``tests/asm/fuzz.py``), in a process that may do nothing else.

Continuous integration spends half a minute on it with a new seed each time, some thousand programs: 10^6 of them come together
over many runs. ``python -m tests.asm.fuzz 3600`` does more at once.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits memory by setrlimit")


def programs_survived(seconds: int, *seed: str) -> int:
    command = [sys.executable, "-m", "tests.asm.fuzz", str(seconds), *seed]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    print(done.stdout)
    return int(done.stdout.split()[-1])


def test_a_few_programs() -> None:
    assert programs_survived(3, "1") > 10


@pytest.mark.slow
@pytest.mark.long
def test_half_a_minute_of_programs() -> None:
    assert programs_survived(30) > 300
