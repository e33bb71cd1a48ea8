"""When a clone's commit was made, compared with git itself; and repositories that an attacker made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.classroom.commits import commit_time
from toolkit.classroom.intake import find_attempts

TIME = 1_795_176_000
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    clock = {f"GIT_{who}_DATE": f"{TIME} +0300" for who in ("AUTHOR", "COMMITTER")}
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **clock,
        **names,
    }
    command = ["git", "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "hw-ada"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "mmap.asm").write_text("nop")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "committer x <y> 5 +0000")
    return folder


def packed(folder: Path) -> None:
    for number in range(12):
        (folder / "mmap.asm").write_text(f"nop ; {number}")
        git(folder, "commit", "-qam", f"a message {number}")
    git(folder, "gc", "-q")


STATES: dict[str, Callable[[Path], object]] = {
    "loose objects": lambda folder: None,
    "packed objects and references": packed,
    "a detached head": lambda folder: git(folder, "checkout", "-q", "--detach"),
}


@needs_git
@pytest.mark.parametrize("state", STATES)
def test_the_time_is_git_s(repository: Path, state: str) -> None:
    STATES[state](repository)
    assert git(repository, "log", "-1", "--format=%ct") == str(TIME)
    assert commit_time(repository) == TIME


@needs_git
def test_clones_are_dated_by_their_commits(repository: Path) -> None:
    packed(repository)
    clones = repository.parent / "clones"
    clones.mkdir()
    for name in ("hw-ada", "hw-bob"):
        git(clones, "clone", "-q", str(repository), name)
    assert [(each.student, each.time) for each in find_attempts([clones])] == [("ada", TIME), ("bob", TIME)]


def linked(folder: Path) -> None:
    shutil.move(folder / ".git", folder.parent / "elsewhere")
    (folder / ".git").symlink_to(folder.parent / "elsewhere")


def head(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / ".git" / "HEAD").write_text(text)


def linked_branch(folder: Path) -> None:
    (branch,) = (folder / ".git/refs/heads").iterdir()
    shutil.move(branch, folder.parent / "name")
    branch.symlink_to(folder.parent / "name")


def damaged(folder: Path) -> None:
    packed(folder)
    (index,) = (folder / ".git/objects/pack").glob("*.idx")
    index.chmod(0o600)
    index.write_bytes(index.read_bytes()[:900])


HOSTILE: dict[str, Callable[[Path], object]] = {
    "no repository": lambda folder: shutil.rmtree(folder / ".git"),
    "a repository elsewhere": linked,
    "a head that leaves": head("ref: refs/../../../name\n"),
    "a head without end": head("ref: refs/heads/" + "a/" * 100_000),
    "a head that is no name": head("\xff" * 50),
    "an unknown commit": head("0" * 40),
    "a branch elsewhere": linked_branch,
    "a damaged index": damaged,
}


@needs_git
@pytest.mark.parametrize("case", HOSTILE)
def test_a_repository_that_tells_nothing(repository: Path, case: str) -> None:
    HOSTILE[case](repository)
    assert commit_time(repository) is None
