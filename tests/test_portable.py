"""The main job without anything POSIX alone has, and without Keystone: as on Windows, or on an ARM machine.

The modules and functions are hidden in this test's child process and in the worker it starts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
POSIX_MODULES = (
    "fcntl",
    "resource",
    "pwd",
    "grp",
    "termios",
    "tty",
    "pty",
    "syslog",
    "curses",
    "readline",
    "crypt",
    "spwd",
)
POSIX_FUNCTIONS = (
    "fork",
    "getuid",
    "geteuid",
    "getgid",
    "getpgid",
    "setsid",
    "uname",
    "sysconf",
    "mkfifo",
    "wait4",
    "pread",
)

HIDE = f"""
import sys, os, signal
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {POSIX_MODULES!r} + EXTRA:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
for name in list(sys.modules):
    if name.split(".")[0] in {POSIX_MODULES!r} + EXTRA:
        del sys.modules[name]
for name in {POSIX_FUNCTIONS!r}:
    if hasattr(os, name):
        delattr(os, name)
"""

JOB = """
import subprocess
from pathlib import Path
from toolkit.grading.exercise import Course
from toolkit.grading.runner import Choice, grade
from toolkit.grading.sandbox import WorkerSandbox
from toolkit.grading.export import to_json
boot = HIDDEN + "\\nfrom toolkit.grading.worker import main; main()"
course = Course(Path("exercises"))
with WorkerSandbox(command=[sys.executable, "-c", "import sys; sys.path.append(" + repr(str(Path.cwd())) + ")\\n" + boot]) as sandbox:
    report = grade(course.select(TARGETS), Choice(reference=True), sandbox)
sys.stdout.write(to_json(report))
sys.exit(report.exit_status)
"""

TARGETS = [
    f"ch04/{name}"
    for name in (
        *("mappings_loop", "segfault_badaddr", "segfault_readonly", "mmap"),
        *("mmap_write", "brk_heap", "guard_page", "mappings_self"),
    )
]


def grade_with_hidden(*modules: str) -> subprocess.CompletedProcess[str]:
    hide = f"EXTRA = {modules!r}\n{HIDE}"
    return subprocess.run(
        [sys.executable, "-c", f"{hide}\nHIDDEN = {hide!r}\nTARGETS = {TARGETS!r}\n{JOB}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("modules", [(), ("keystone",)], ids=["as on Windows", "as on ARM"])
def test_the_main_job_needs_nothing_of_posix(modules: tuple[str, ...]) -> None:
    result = grade_with_hidden(*modules)
    assert result.returncode == 0, result.stderr or result.stdout


def test_the_result_is_the_same_bytes() -> None:
    """Same submission and seed, same report: whichever encoder and host."""
    with_everything = subprocess.run(
        [sys.executable, "-m", "toolkit", "check", *TARGETS, "--reference", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert with_everything.stdout == grade_with_hidden("keystone").stdout


def test_every_command_can_be_imported() -> None:
    hide = f"EXTRA = ('keystone',)\n{HIDE}"
    code = "import importlib\nfrom toolkit.cli import COMMANDS\n[importlib.import_module('toolkit.cli.' + home) for home, _ in COMMANDS.values()]\nimport toolkit.cli.watch, toolkit.cli.progress_file"
    result = subprocess.run(
        [sys.executable, "-c", f"{hide}\n{code}"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
