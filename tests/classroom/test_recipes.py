"""The recipes, parsed, and their commands run as the services run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from toolkit.cli import cli
from toolkit.cli.recipes import RECIPES, _folder

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "exercises/ch04/mmap/reference/mmap.asm").read_bytes()
posix = pytest.mark.skipif(os.name != "posix", reason="the recipes are shell scripts")


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """The environment of a service: `toolkit` and `python` on the path, and nothing of ours besides."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("toolkit", "python"):
        (tools / name).write_text(f'#!/bin/sh\nexec "{Path(sys.executable).parent / name}" "$@"\n')
        (tools / name).chmod(0o755)
    return {
        "PATH": f"{tools}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TARGETS": "ch04/mmap",
        "LANG": "C.UTF-8",
    }


def repository(folder: Path, source: bytes) -> Path:
    path = folder / "repository" / "exercises" / "ch04" / "mmap" / "mmap.asm"
    path.parent.mkdir(parents=True)
    path.write_bytes(source)
    (path.parent / "grader.py").write_text("raise SystemExit('the student changed the grader')")
    return folder / "repository"


def shell(script: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-eo", "pipefail", "-c", script]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


CASES = [(REFERENCE, 0), (b"global _start\n_start: mov eax, 60\n xor edi, edi\n syscall\n", 1), (b"mov\n", 1)]


@posix
@pytest.mark.parametrize(("source", "status"), CASES, ids=["right", "wrong", "does not assemble"])
def test_the_github_workflow(tmp_path: Path, host: dict[str, str], source: bytes, status: int) -> None:
    document = yaml.safe_load((_folder() / "github-actions.yml").read_text())
    assert document["permissions"] == {"contents": "read"}
    job = document["jobs"]["grade"]
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert scripts[0] == 'python -m pip install "$TOOLKIT"'
    work = repository(tmp_path, source)
    temporary = tmp_path / "runner"
    temporary.mkdir()
    environment = {
        **{name: str(value) for name, value in job["env"].items()},
        **host,
        "RUNNER_TEMP": str(temporary),
        "GITHUB_WORKSPACE": str(work),
        "GITHUB_STEP_SUMMARY": str(temporary / "summary"),
    }
    for script in scripts[1:-1]:
        assert shell(script, environment, work).returncode == 0
    done = shell(scripts[-1], environment, work)
    assert done.returncode == status, done.stderr
    assert ("::error" in done.stdout) == (status == 1)
    assert "mmap" in (temporary / "summary").read_text()
    suite = ElementTree.parse(temporary / "junit.xml").getroot()
    assert bool(suite.findall(".//failure")) == (status == 1)


@posix
@pytest.mark.parametrize(("source", "status"), CASES[:2], ids=["right", "wrong"])
def test_the_gitlab_job(tmp_path: Path, host: dict[str, str], source: bytes, status: int) -> None:
    job = yaml.safe_load((_folder() / "gitlab-ci.yml").read_text())["grade"]
    work = repository(tmp_path, source)
    variables = {name: str(value) for name, value in job["variables"].items()}
    environment = {**variables, **host, "CI_PROJECT_DIR": str(work), "COURSE": str(tmp_path / "course")}
    install, prepare = job["before_script"]
    assert install == 'python -m pip install "$TOOLKIT"'
    assert shell(prepare, environment, work).returncode == 0
    done = shell("\n".join(job["script"]), environment, work)
    assert done.returncode == status, done.stderr
    assert ElementTree.parse(work / job["artifacts"]["reports"]["junit"]).getroot().tag == "testsuites"


@posix
@pytest.mark.parametrize(
    ("source", "score"),
    [(REFERENCE, True), (b"mov\n", False), (None, False)],
    ids=["right", "wrong", "missing"],
)
def test_the_gradescope_autograder(
    tmp_path: Path, host: dict[str, str], source: bytes | None, score: bool
) -> None:
    root = tmp_path / "autograder"
    (root / "submission").mkdir(parents=True)
    (root / "submission" / "x.txt").write_text("")
    if source is not None:
        (root / "submission" / "mmap.asm").write_bytes(source)
    (root / "venv").mkdir()
    (root / "venv" / "bin").symlink_to(tmp_path / "tools")
    setup = (_folder() / "gradescope" / "setup.sh").read_text().splitlines()
    assert shell(setup[-1], {**host, "ROOT": str(root)}, root).returncode == 0
    command = [str(_folder() / "gradescope" / "run_autograder")]
    done = subprocess.run(
        command, env={**host, "ROOT": str(root)}, timeout=120, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((root / "results" / "results.json").read_text())
    points = result.get("score", sum(test.get("score", 0) for test in result["tests"]))
    assert (points > 0) == score


@posix
@pytest.mark.parametrize("name", ["mmap.asm", "secret.inc"])
def test_a_submission_that_links_to_the_grader(tmp_path: Path, host: dict[str, str], name: str) -> None:
    (tmp_path / "secret.py").write_text("SECRET line\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "mmap.asm").write_text('%include "secret.inc"\n')
    (tmp_path / "work" / name).unlink(missing_ok=True)
    (tmp_path / "work" / name).symlink_to(tmp_path / "secret.py")
    done = shell(
        f"toolkit init c && cd c && toolkit check ch04/mmap --submission {tmp_path}/work", host, tmp_path
    )
    assert done.returncode == 2
    assert "SECRET" not in done.stdout + done.stderr
    assert "leads out of the submission" in done.stdout + done.stderr


@posix
def test_the_scripts_are_shell() -> None:
    for path in (_folder() / "gradescope").iterdir():
        subprocess.run(["bash", "-n", str(path)], check=True)


def test_the_containerfile() -> None:
    """Linted only, for no engine may run here: known instructions, a base with a tag, and no root at the end."""
    lines = [
        line for line in (_folder() / "Containerfile").read_text().splitlines() if line and line[0] != "#"
    ]
    words = [line.split()[0] for line in lines]
    assert set(words) <= {"FROM", "ARG", "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}
    assert words[0] == "FROM"
    assert ":" in lines[0].split("/")[-1]
    assert [line for line in lines if line.startswith("USER")][-1] == "USER student"
    for line in lines:
        if line.startswith(("ENTRYPOINT", "CMD")):
            assert isinstance(json.loads(line.split(" ", 1)[1]), list)


@pytest.mark.parametrize("name", RECIPES)
def test_copying_a_recipe_out(tmp_path: Path, name: str) -> None:
    done = CliRunner().invoke(cli, ["recipes", name, "-C", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / RECIPES[name][1]).exists()
    again = CliRunner().invoke(cli, ["recipes", name, "-C", str(tmp_path)])
    assert again.exit_code == 1
    assert "left alone" in again.output
    assert name in CliRunner().invoke(cli, ["recipes"]).output
