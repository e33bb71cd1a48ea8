"""``toolkit doctor``."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``good`` is ``None`` for what is merely told; ``remedy`` the one command that mends it."""

    name: str
    value: str
    good: bool | None = None
    remedy: str = ""


@click.command(
    "doctor",
    epilog="\b\nExamples:\n  toolkit doctor\n  toolkit doctor --syscalls        what the kernel here can do\n",
)
@click.option("--syscalls", is_flag=True, help="Print the table of system calls instead, as Markdown.")
def doctor_command(syscalls: bool) -> None:
    """Say what this machine has: versions, engines, what is missing and the one command that mends it.

    Exit status: 0 when `toolkit check` can work here, else 1.
    """
    if syscalls:
        from toolkit.views.support import support_text

        click.echo(support_text(), nl=False)
        return
    findings = list(examine())
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = {True: "ok ", False: "NO ", None: "   "}[finding.good]
        click.echo(f"{mark} {finding.name:<{width}}  {finding.value}")
        if finding.remedy:
            click.echo(f"    {'':<{width}}  mend it with: {finding.remedy}")
    raise click.exceptions.Exit(1 if any(finding.good is False for finding in findings) else 0)


def examine() -> Iterator[Finding]:
    """Everything there is to say about this machine."""
    from toolkit import __version__

    yield Finding("toolkit", __version__)
    yield Finding("Python", f"{platform.python_version()} ({sys.executable})", sys.version_info >= (3, 11))
    yield Finding("machine", f"{platform.system()} {platform.machine()}")
    for name, needed in (("unicorn", True), ("capstone", True), ("msgspec", True), ("rich", True)):
        yield _package(name, needed)
    yield _keystone()
    yield _optional("hypothesis", "graders that draw inputs")
    yield _optional("watchfiles", "instant `check --watch`")
    yield _optional("textual", "the full screen of `debug`")
    yield _course()
    yield from _worker()
    for tool in ("nasm", "ld", "gdb"):
        yield _oracle(tool)


def _package(name: str, needed: bool) -> Finding:
    version = _version(name)
    if version is None:
        return Finding(
            name, "is missing", False if needed else None, f"{sys.executable} -m pip install {name}"
        )
    return Finding(name, version, True)


def _version(name: str) -> str | None:
    """A distribution's version if it can be imported too."""
    import importlib
    import importlib.metadata

    module = {"keystone-engine": "keystone"}.get(name, name)
    try:
        importlib.import_module(module)
        return importlib.metadata.version(name)
    except Exception:  # a broken native library raises anything
        return None


def _keystone() -> Finding:
    version = _version("keystone-engine")
    if version is None:
        return Finding(
            "keystone", "not here (no wheel exists for ARM): the table encoder does its work", None
        )
    return Finding("keystone", version, True)


def _optional(name: str, use: str) -> Finding:
    version = _version(name)
    remedy = "" if version else f"{sys.executable} -m pip install {name}"
    return Finding(name, version or f"not here; it serves {use}", True if version else None, remedy)


def _course() -> Finding:
    from pathlib import Path

    from toolkit.grading.exercise import Course, CourseError, find_course

    try:
        course = Course(find_course(Path.cwd()))
    except CourseError as error:
        return Finding("course", str(error), False, "toolkit init .")
    return Finding("course", f"{len(course.exercises)} exercises in {course.folder}", bool(course.exercises))


_SMALLEST = b"global _start\nsection .text\n_start:\nmov eax, 60\nmov edi, 7\nsyscall\n"


def _worker() -> Iterator[Finding]:
    """Assemble, link and run the smallest program in a worker process."""
    from toolkit.grading.confine import active_layers
    from toolkit.grading.evidence import Broken, BuildRequest, FileData, RunRequest
    from toolkit.grading.sandbox import WorkerSandbox

    build = BuildRequest("smallest", (FileData("smallest.asm", _SMALLEST),))
    with WorkerSandbox() as sandbox:
        evidence = sandbox.run(RunRequest(build))
    if isinstance(evidence, Broken):
        yield Finding("a program", evidence.reason, False)
    else:
        good = evidence.exit_code == 7
        yield Finding("a program", "assembles, links and runs" if good else f"ends wrongly: {evidence}", good)
    layers = active_layers()
    yield Finding("worker's limits", ", ".join(layers) or "none on this system", True if layers else None)


def _oracle(tool: str) -> Finding:
    import shutil

    path = shutil.which(tool)
    return Finding(tool, path or "not here; only toolkit's own differential tests use it", None)
