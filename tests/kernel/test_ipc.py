"""Ids of System V objects, as ipc_idr_alloc() hands them out; permissions; choosing messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.abi import ipc as a
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.ipc import READ, WRITE, IpcObject, Registry
from toolkit.kernel.messages import Message, Wanted


def process(uid: int = 1000, gid: int = 1000) -> Any:
    who = SimpleNamespace(euid=uid, egid=gid, groups=(gid,))
    kernel = SimpleNamespace(clock=SimpleNamespace(realtime=0))
    return SimpleNamespace(credentials=who, privileged=uid == 0, kernel=kernel)


def item(mode: int = 0o600) -> IpcObject:
    return IpcObject(process(), 5, mode)


def test_an_id_returns_only_after_the_sequence_number_has_grown() -> None:
    registry: Registry[IpcObject] = Registry(4096)
    for number in range(64):
        made = item()
        assert registry.add(made) == number
        registry.remove(made)
    assert registry.add(item()) == 1 << a.IPC_INDEX_BITS
    with pytest.raises(SyscallError) as refused:
        registry.find(0)
    assert refused.value.errno is Errno.EINVAL


def test_no_more_objects_than_the_limit() -> None:
    registry: Registry[IpcObject] = Registry(2)
    registry.add(item())
    registry.add(item())
    with pytest.raises(SyscallError) as refused:
        registry.add(item())
    assert refused.value.errno is Errno.ENOSPC


PERMISSIONS = [
    (0o600, 1000, 1000, READ | WRITE, True),
    (0o400, 1000, 1000, WRITE, False),
    (0o060, 2000, 1000, READ, True),
    (0o004, 2000, 1000, READ, False),
    (0o004, 2000, 2000, READ, True),
    (0o000, 0, 0, READ | WRITE, True),
]


@pytest.mark.parametrize(("mode", "uid", "gid", "wanted", "allowed"), PERMISSIONS)
def test_permissions(mode: int, uid: int, gid: int, wanted: int, allowed: bool) -> None:
    if allowed:
        item(mode).require(process(uid, gid), wanted)
        return
    with pytest.raises(SyscallError) as refused:
        item(mode).require(process(uid, gid), wanted)
    assert refused.value.errno is Errno.EACCES


CHOICES = [
    (Wanted(0, 9, 0), True),
    (Wanted(3, 9, 0), True),
    (Wanted(4, 9, 0), False),
    (Wanted(3, 9, a.MSG_EXCEPT), False),
    (Wanted(-3, 9, 0), True),
    (Wanted(-2, 9, 0), False),
]


@pytest.mark.parametrize(("wanted", "accepted"), CHOICES)
def test_a_message_of_type_3_is_accepted(wanted: Wanted, accepted: bool) -> None:
    assert wanted.accepts(Message(3, b"")) is accepted
