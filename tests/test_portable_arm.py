"""The main job on a 64-bit ARM processor (under qemu), where Keystone has no wheel: the same report, to the byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = os.environ.get("TOOLKIT_ARM_PYTHON", "")
"""An interpreter for ARM that runs here: tests/arm_python.py makes one."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="no ARM: set TOOLKIT_ARM_PYTHON (tests/arm_python.py makes one)"),
]


def on_arm(code: str, *arguments: str) -> str:
    """What Python code prints there."""
    start = f"import sys; sys.executable = {PYTHON!r}; sys.path.insert(0, {str(ROOT)!r})\n"
    done = subprocess.run(
        [PYTHON, "-B", "-c", start + code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_an_arm_processor_without_keystone() -> None:
    code = "import platform, importlib.util; print(platform.machine(), importlib.util.find_spec('keystone'))"
    assert on_arm(code) == "aarch64 None\n"


def test_instructions_are_counted_by_code_of_the_host() -> None:
    code = "from toolkit.machine.counting import Meter, BLOCK_HOOK; m = Meter(); m.use(BLOCK_HOOK(print)); print(m.counts_in_machine_code)"
    assert on_arm(code) == "True\n"


@pytest.mark.long
def test_the_result_is_the_same_bytes() -> None:
    command = ["check", "ch03", "ch04", "--reference", "--format", "json"]
    here = subprocess.run(
        [sys.executable, "-m", "toolkit", *command], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert here.returncode == 0, here.stderr
    assert on_arm("from toolkit.cli import main; main()", *command, "--jobs", "1") == here.stdout
