"""What a worker process gives up before it touches a submission.

Portable Python's share: resource limits where the host has them. Each layer is a function that returns the name
by which ``doctor`` reports it, or ``None`` where the host lacks it.
"""

from __future__ import annotations

from pathlib import Path

ADDRESS_SPACE_ROOM = 4 << 30  # bytes a worker may map beyond what it had when it was confined
OPEN_FILES = 32


def confine() -> tuple[str, ...]:
    """Apply every layer that this host has; their names. Call once, after the heavy imports."""
    return tuple(name for name in (limit_resources(),) if name is not None)


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


def available_layers() -> tuple[str, ...]:
    """The names of the layers that ``confine`` would apply on this host."""
    import importlib.util

    return ("resource limits",) if importlib.util.find_spec("resource") is not None else ()
