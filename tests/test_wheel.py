"""A student has no checkout: the wheel alone carries the toolkit, its data and the course."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {".hypothesis", ".pytest_cache", "__pycache__", ".ruff_cache", ".mypy_cache"}


def run(*command: str, cwd: Path, python_path: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(python_path)} if python_path else None
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from this tree and installed into a folder of its own, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    run("hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (wheel,) = folder.glob("toolkit-*.whl")
    target = folder / "installed"
    run("pip", "install", "-q", "--no-index", "--no-deps", "--target", str(target), str(wheel), cwd=folder)
    return target


@pytest.mark.slow
@pytest.mark.long
def test_the_wheel_carries_the_course(installed: Path, tmp_path: Path) -> None:
    run("toolkit", "init", "course", cwd=tmp_path, python_path=installed)
    tracked = subprocess.run(
        ["git", "ls-files", "exercises"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    exercises = {
        str(Path(name).parent.relative_to("exercises")) for name in tracked if name.endswith("/grader.py")
    }
    copied = {str(path.parent.relative_to(tmp_path / "course")) for path in tmp_path.rglob("grader.py")}
    assert len(exercises) > 50
    assert {name.removeprefix("exercises/") for name in copied} == exercises
    assert not LEFT_OUT & {path.name for path in tmp_path.rglob("*")}
    result = run("toolkit", "check", "ch04", "--reference", cwd=tmp_path / "course", python_path=installed)
    assert "passed" in result


@pytest.mark.slow
def test_every_data_file_is_in_the_wheel(installed: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "toolkit"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [name for name in tracked if not (installed / name).is_file()] == []
    where = subprocess.run(
        [sys.executable, "-c", "import toolkit; print(toolkit.__file__)"],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert Path(where.strip()).is_relative_to(installed)
