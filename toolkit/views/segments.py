"""System V shared memory segments as ``lsipc -m`` prints them (util-linux 2.38, lsipc(1))."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from toolkit.abi.ipc import SHM_LOCKED
from toolkit.kernel.ipc import seconds

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.shm import Segment

COLUMNS = ("KEY", "ID", "PERMS", "OWNER", "SIZE", "NATTCH", "STATUS", "CTIME", "CPID", "LPID", "COMMAND")
_RIGHT = frozenset(["PERMS", "OWNER", "SIZE", "NATTCH", "CTIME", "CPID", "LPID"])
_DAY = 24 * 60 * 60


def segments_table(kernel: Kernel) -> str:
    """The segments in the order of their indices; nothing at all without segments, as lsipc has it. Times are UTC."""
    rows = [_row(kernel, segment) for segment in kernel.shared_memory.registry.all()]
    if not rows:
        return ""
    lines = [COLUMNS, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(COLUMNS))]
    return "".join(_line(line, widths) + "\n" for line in lines)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = [
        cell.rjust(width) if name in _RIGHT else cell.ljust(width)
        for name, cell, width in zip(COLUMNS[:-1], cells, widths, strict=False)
    ]
    return " ".join([*padded, cells[-1]])


def _row(kernel: Kernel, segment: Segment) -> tuple[str, ...]:
    return (
        f"0x{segment.key & 0xFFFFFFFF:08x}",
        str(segment.id),
        permission_letters(segment.mode),
        _user_name(kernel, segment.uid),
        human_size(segment.pages.size),
        str(kernel.shared_memory.attachments(segment)),
        "dest" if segment.doomed else "locked" if segment.mode & SHM_LOCKED else "",
        _short_time(segment.changed, seconds(kernel)),
        str(segment.creator),
        str(segment.last),
        _command(kernel, segment.creator),
    )


def permission_letters(mode: int) -> str:
    """``rw-r-----``."""
    return "".join(letter if mode >> (8 - place) & 1 else "-" for place, letter in enumerate("rwxrwxrwx"))


def human_size(count: int) -> str:
    """Bytes with a suffix and at most one decimal (util-linux's size_to_human_string)."""
    exponent = next((each for each in range(60, 0, -10) if count >> each), 0)
    whole, rest = count >> exponent, count & ((1 << exponent) - 1)
    tenths = (rest * 1000 // (1 << exponent) + 50) // 100
    if tenths == 10:
        whole, tenths = whole + 1, 0
    return f"{whole}" + (f".{tenths}" if tenths else "") + "BKMGTPE"[exponent // 10]


def _user_name(kernel: Kernel, uid: int) -> str:
    """The owner's name by the emulated /etc/passwd, else the number."""
    from toolkit.kernel.errors import SyscallError

    try:
        text = kernel.read_file("/etc/passwd").decode("utf-8", "replace")
    except SyscallError:
        text = ""
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == str(uid):
            return fields[0]
    return "root" if uid == 0 else str(uid)


def _short_time(when: int, now: int) -> str:
    """The time of today, or the day."""
    moment = time.gmtime(when)
    if when // _DAY == now // _DAY:
        return time.strftime("%H:%M", moment)
    return time.strftime("%b%d" if moment.tm_year == time.gmtime(now).tm_year else "%Y-%b%d", moment)


def _command(kernel: Kernel, pid: int) -> str:
    """The creator's command line; empty once it has ended."""
    process = next((each for each in kernel.processes.all() if each.pid == pid and not each.dead), None)
    if process is None:
        return ""
    return b" ".join(process.arguments).decode("utf-8", "replace")
