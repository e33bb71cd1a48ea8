"""What a worker process gives up before it touches a submission.

Each layer is a function that returns the name by which ``doctor`` reports it, or ``None`` where the host lacks it:
resource limits on any POSIX host, Landlock and a seccomp filter on Linux. After that a worker reads its requests, computes,
answers, and can load what of Python and of toolkit it had not loaded yet; it has no other way to the host.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from toolkit.grading import landlock, seccomp

ADDRESS_SPACE_ROOM = 4 << 30  # bytes a worker may map beyond what it had when it was confined
OPEN_FILES = 32
_ROOMS = ("abi", "asm", "grading", "kernel", "machine", "personality", "views")


def confine() -> tuple[str, ...]:
    """Apply every layer that this host has; their names. Call once, after the heavy imports. Raises OSError."""
    layers = (limit_resources, lambda: landlock.restrict(readable_folders()), seccomp.filter_calls)
    return tuple(name for layer in layers if (name := layer()) is not None)


def readable_folders() -> list[str]:
    """Where code lies that may still be imported: Python's, its packages' and ours, but no course with its graders."""
    package = Path(__file__).resolve().parents[1]
    own = [str(package / room) for room in _ROOMS]
    outside = [path for path in sys.path if path and not _holds(path, package)]
    packages = [str(each) for path in sys.path for each in _installed(path) if _holds(path, package)]
    return [*dict.fromkeys([*own, *outside, *packages])]


def _holds(path: str, package: Path) -> bool:
    """Whether our own package lies below a folder of ``sys.path``: such a folder is not opened as a whole."""
    return Path(path).resolve() in package.parents


_NEEDED = ("capstone", "elftools", "hypothesis", "keystone", "msgspec", "unicorn", "sortedcontainers")


def _installed(path: str) -> list[Path]:
    folders = [Path(path) / name for name in _NEEDED]
    return [each for each in folders if each.is_dir()]


def limit_resources() -> str | None:
    """No core files, no files written, no new processes, few descriptors, bounded address space (setrlimit(2))."""
    try:
        import resource
    except ImportError:
        return None
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_NPROC": 0, "RLIMIT_NOFILE": OPEN_FILES}
    mapped = _mapped_bytes()
    if mapped is not None:
        limits["RLIMIT_AS"] = mapped + ADDRESS_SPACE_ROOM
    for name, limit in limits.items():
        number = getattr(resource, name, None)
        if number is not None:
            _lower(resource, number, limit)
    return "resource limits"


def _lower(resource: object, number: int, limit: int) -> None:
    _, hard = resource.getrlimit(number)  # type: ignore[attr-defined]
    infinity = resource.RLIM_INFINITY  # type: ignore[attr-defined]
    limit = limit if hard == infinity else min(limit, hard)
    resource.setrlimit(number, (limit, limit))  # type: ignore[attr-defined]


def _mapped_bytes() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pages * 4096


_TRIAL = (
    "import os, sys; sys.path.append(sys.argv[1]); from toolkit.grading.confine import confine;"
    "os.write(1, '\\n'.join(confine()).encode())"
)


def active_layers() -> tuple[str, ...]:
    """The names of the layers that are in force in a worker on this host, found by confining a child process."""
    import subprocess

    parent = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-I", "-B", "-c", _TRIAL, parent]
    trial = subprocess.run(command, capture_output=True, timeout=60, check=False, env=_environment())
    return tuple(trial.stdout.decode().split("\n")) if trial.returncode == 0 and trial.stdout else ()


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
