"""The table of lsipc -m."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from toolkit.views.segments import human_size, permission_letters, segments_table

SIZES = {0: "0B", 1: "1B", 1000: "1000B", 1023: "1023B", 1024: "1K", 8000: "7.8K", 100_000_000: "95.4M", 1 << 30: "1G",
         262_144_000: "250M", 1_048_575: "1024K"}  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_util_linux_s(size: int) -> None:
    assert human_size(size) == SIZES[size]


def test_permissions() -> None:
    assert [permission_letters(mode) for mode in (0o640, 0o1777, 0)] == ["rw-r-----", "rwxrwxrwx", "-" * 9]


def segment(**changes: object) -> SimpleNamespace:
    values = {"key": 0x1234, "id": 48, "mode": 0o2640, "uid": 0, "pages": SimpleNamespace(size=8000), "doomed": False,
              "changed": 5 * 86400 + 23 * 3600, "creator": 10544, "last": 10544} | changes  # fmt: skip
    return SimpleNamespace(**values)


def test_columns_are_lsipc_s() -> None:
    """Printed by lsipc of util-linux 2.38 for these segments."""
    found = [
        segment(),
        segment(key=0, id=32775, mode=0o600, pages=SimpleNamespace(size=100_000_000), last=0),
        segment(key=0, id=50, mode=0o1666, pages=SimpleNamespace(size=1), doomed=True, creator=7),
    ]
    process = SimpleNamespace(pid=10544, dead=False, arguments=[b"./seg", b"x"])
    kernel = SimpleNamespace(
        shared_memory=SimpleNamespace(
            registry=SimpleNamespace(all=lambda: found), attachments=lambda each: 2 if each is found[0] else 0
        ),
        clock=SimpleNamespace(realtime=(5 * 86400 + 23 * 3600 + 9) * 10**9),
        processes=SimpleNamespace(all=lambda: [process]),
        read_file=lambda path: b"root:x:0:0:root:/root:/bin/sh\n",
    )
    assert segments_table(kernel).splitlines() == [  # type: ignore[arg-type]
        "KEY        ID        PERMS OWNER  SIZE NATTCH STATUS CTIME  CPID  LPID COMMAND",
        "0x00001234 48    rw-r-----  root  7.8K      2 locked 23:00 10544 10544 ./seg x",
        "0x00000000 32775 rw-------  root 95.4M      0        23:00 10544     0 ./seg x",
        "0x00000000 50    rw-rw-rw-  root    1B      0 dest   23:00     7 10544 ",
    ]


def test_without_segments_there_is_no_table() -> None:
    kernel = SimpleNamespace(shared_memory=SimpleNamespace(registry=SimpleNamespace(all=list)))
    assert segments_table(kernel) == ""  # type: ignore[arg-type]
