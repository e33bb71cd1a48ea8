"""Learn, teach and grade x86-64 Linux assembly on any computer.

The public names are imported on first use, so that ``import toolkit`` costs nothing:

* ``assemble(source, …) -> Assembly`` and ``build(sources, …) -> Built``: nasm's language to objects and programs
* ``run(program, …) -> Evidence``: one run as a Linux process, in this process (for programs that are trusted)
* ``check(targets, …) -> Report``: grade exercises, each submission in a sandboxed worker process
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.asm import Assembly, Built, assemble, build
    from toolkit.grading.api import check, run
    from toolkit.grading.evidence import Evidence
    from toolkit.grading.report import Report

__version__ = "0.1.0"

__all__ = ["Assembly", "Built", "Evidence", "Report", "__version__", "assemble", "build", "check", "run"]

_HOMES = {
    "assemble": "toolkit.asm",
    "Assembly": "toolkit.asm",
    "build": "toolkit.asm",
    "Built": "toolkit.asm",
    "run": "toolkit.grading.api",
    "check": "toolkit.grading.api",
    "Evidence": "toolkit.grading.evidence",
    "Report": "toolkit.grading.report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
