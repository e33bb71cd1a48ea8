"""The house rules that a tool can check: format, lint, types, and which way imports point."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

COMMANDS = {
    "format": [sys.executable, "-m", "ruff", "format", "--check", "toolkit", "tests", "exercises"],
    "lint": [sys.executable, "-m", "ruff", "check", "toolkit", "tests", "exercises"],
    "types": [sys.executable, "-m", "mypy"],
    "layers": [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ],
}


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_house_rules(name: str) -> None:
    result = subprocess.run(COMMANDS[name], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_top_level_is_fixed() -> None:
    """Only the agreed names stand at the top of the tree (dot files and build leftovers aside)."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    allowed = {"exercises", "toolkit", "tests", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    top = {path.split("/")[0] for path in tracked.stdout.split("\n") if path}
    assert {name for name in top if not name.startswith(".")} <= allowed


@pytest.mark.parametrize(("engine", "home"), [("unicorn", "machine/cpu.py"), ("keystone", "asm/encode.py")])
def test_each_engine_has_one_door(engine: str, home: str) -> None:
    """Only one module imports it, so that everything else works, or says what is missing, without it."""
    pattern = re.compile(rf"^\s*(?:import|from)\s+{engine}\b", re.MULTILINE)
    files = (
        path for path in (ROOT / "toolkit").rglob("*.py") if pattern.search(path.read_text(encoding="utf-8"))
    )
    assert [path.relative_to(ROOT / "toolkit").as_posix() for path in files] == [home]
