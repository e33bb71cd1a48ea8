"""What every test may rely on: which oracles this machine has, and that nothing is skipped in silence.

``CI=true`` switches everything on: the slow tests run, and a skipped test is a failure.
"""

from __future__ import annotations

import gc
import os
import platform
import shutil
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

FULL = os.environ.get("CI") == "true"

# Hundreds of processes are started, and each would compile what it imports: here compiled modules are kept whatever is set.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# CI tries the same examples each time, so that a change is judged by what it changes. By hand, new ones are drawn.
settings.register_profile("ci", derandomize=True, database=None)
if FULL:
    settings.load_profile("ci")


def missing_oracle() -> str | None:
    """Why differential tests cannot run here, or None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "the native oracle needs x86-64 Linux"
    for tool in ("nasm", "ld", "setarch"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (apt-get install nasm binutils)"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reason = missing_oracle()
    selected_by_hand = bool(config.getoption("markexpr")) or any("::" in argument for argument in config.args)
    for item in items:
        if reason and item.get_closest_marker("differential"):
            item.add_marker(pytest.mark.skip(reason=reason))
    if not FULL and not selected_by_hand:
        slow = [item for item in items if item.get_closest_marker("slow")]
        if slow:
            config.hook.pytest_deselected(items=slow)
            items[:] = [item for item in items if not item.get_closest_marker("slow")]
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    leave_alone_what_stays()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    yield
    if nextitem is not None and nextitem.path != item.path:
        leave_alone_what_stays()


def leave_alone_what_stays() -> None:
    """Between two files what is loaded or cached is not looked through again each time that garbage is looked for.

    That took an eighth of the time: where a cache of the assembler holds what a file's tests put there, all others paid for it.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if FULL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be: {report.longrepr}"
