"""The same memory calls played to a native process and to an AddressSpace, compared after each.

The native side is memory/oracle.c; our side begins as a copy of its areas, so that placement agrees.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    MADV_COLD,
    MADV_FREE,
    MADV_PAGEOUT,
    PAGE_SIZE,
    VM_ACCOUNT,
    VM_DATA,
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_IO,
    VM_MAY_ALL,
    VM_MAYREAD,
    VM_PFNMAP,
    VM_READ,
    VM_WRITE,
)
from toolkit.abi.process import RLIMIT_MEMLOCK, RLIMIT_STACK
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs import procfs_memory
from toolkit.kernel.mm.areas import Area
from toolkit.kernel.mm.merging import AnonymousGroup
from toolkit.kernel.mm.page_cache import MemoryStorage, PageCache
from toolkit.kernel.mm.shared import special_pages
from toolkit.kernel.mm.space import AddressSpace, FixedLimits
from toolkit.personality.linux_x86_64 import LAYOUT

sys.path.append(str(Path(__file__).parents[1] / "kernel" / "mm"))
sys.path.append(str(Path(__file__).parent))
from fake_machine import FakeMachine
from host import has_protection_keys

from toolkit.kernel.mm.pages import Frames

SOURCE = Path(__file__).parent / "memory" / "oracle.c"
FILE_PAGES = 6
FILE_SIZE = FILE_PAGES * PAGE_SIZE - 1000
CONTENT = bytes(index * 7 % 251 for index in range(FILE_SIZE))

MMAP, MPROTECT, MUNMAP, BRK, MREMAP, MSYNC, MINCORE, MADVISE = 9, 10, 11, 12, 25, 26, 27, 28
MLOCK, MUNLOCK, MLOCKALL, MUNLOCKALL, MLOCK2 = 149, 150, 151, 152, 325
TOUCH_WRITE, TOUCH_READ, FORK_CHILD, FORK_PARENT, PEEK, NOTHING, SET_LIMIT, BECOME_NOBODY = range(1000, 1008)
MAPS, SMAPS, STATM, STATUS = range(4)


@dataclass(eq=False)
class OpenFile:
    """An open file on our side."""

    pages: PageCache
    name: str
    readable: bool = True
    writable: bool = True
    device: tuple[int, int] = (0xFE, 0)
    inode: int = 7
    mappable: bool = True
    executable: bool = True


@functools.cache
def helper() -> Path:
    """The compiled helper; removed when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="memory-oracle-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    flags = ["-O1", "-static", "-nostdlib", "-fno-stack-protector", "-fno-pie", "-no-pie"]
    subprocess.run(["gcc", *flags, "-o", folder / "oracle", SOURCE], check=True)
    return folder / "oracle"


class Native:
    """The helper process."""

    def __init__(self, folder: Path, preexec: Any = None) -> None:
        program, data, scratch = helper(), folder / "data", folder / "scratch"
        _write_in_pages(data)
        scratch.write_bytes(b"x")
        self.requests, theirs = os.pipe()[::-1]
        replies, their_replies = os.pipe()
        hold, self._release = os.pipe()
        descriptors = [
            os.open(data, os.O_RDWR),
            os.open(data, os.O_RDONLY),
            os.open(data, os.O_RDWR),
            os.open("/dev/zero", os.O_RDONLY),
            os.open(scratch, os.O_RDWR),
            hold,
        ]
        self.pid = os.fork()
        if not self.pid:
            self._become([theirs, their_replies, 2, *descriptors], program)
        for descriptor in (theirs, their_replies, *descriptors):
            os.close(descriptor)
        self.replies = os.fdopen(replies, "rb")

    @staticmethod
    def _become(descriptors: list[int], program: Path) -> None:
        high = [os.dup2(old, 100 + index) for index, old in enumerate(descriptors)]
        for index, old in enumerate(high):
            os.dup2(old, index)
        os.closerange(len(high), 200)
        os.execv(shutil.which("setarch") or "/usr/bin/setarch", ["setarch", "-R", str(program)])

    def perform(self, number: int, arguments: tuple[int, ...], dump: int) -> tuple[int, str]:
        """The result and the dump asked for."""
        words = [number, *(argument & (1 << 64) - 1 for argument in arguments)]
        words += [0] * (7 - len(words))
        os.write(self.requests, struct.pack("<8Q", *words, dump))
        head = self.replies.read(16)
        if len(head) < 16:
            raise BrokenPipeError(f"during {number} {[hex(a) for a in arguments]}")
        result, size = struct.unpack("<qQ", head)
        return result, self.replies.read(size).decode()

    def close(self) -> None:
        os.close(self.requests)
        os.close(self._release)
        self.replies.close()
        os.waitpid(self.pid, 0)


@dataclass
class Both:
    """A native process and an AddressSpace in the same state."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="memory-oracle-")))
    history: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    cooled: bool = False
    unsure: bool = False
    """A page that had become old was accessed in vain: whether that sets its accessed bit is up to the processor."""

    def __post_init__(self) -> None:
        self.native = Native(self.folder)
        machine = FakeMachine(64 << 20)
        self.frames = Frames(machine)
        self.frames.protection_keys = has_protection_keys()
        self.limits = FixedLimits({RLIMIT_STACK: 8 << 20, RLIMIT_MEMLOCK: 8 << 20})
        self.frames.commitment.memory = 6 << 20
        self.space = AddressSpace(machine, self.frames, LAYOUT, self.limits)
        cache = PageCache(self.frames, MemoryStorage(CONTENT), FILE_SIZE)
        name = str(self.folder / "data")
        self.files = {
            3: OpenFile(cache, name),
            4: OpenFile(cache, name, writable=False),
            5: OpenFile(cache, name),
        }
        self.kept: list[AddressSpace] = []
        self.begin(self.native.perform(NOTHING, (), MAPS)[1])

    def close(self) -> None:
        self.native.close()
        shutil.rmtree(self.folder)

    def begin(self, maps: str) -> None:
        """Give our side the areas of the native process."""
        program = OpenFile(PageCache(self.frames, MemoryStorage(b"x" * 65536), 65536), str(helper()))
        for line in maps.splitlines():
            match = re.match(r"(\w+)-(\w+) (....) (\w+) \S+ (\d+) +(.*)", line)
            assert match, line
            start, end = int(match[1], 16), int(match[2], 16)
            flags = VM_MAY_ALL
            for letter, bit in zip(match[3], (VM_READ, VM_WRITE, VM_EXEC), strict=False):
                flags |= bit if letter != "-" else 0
            self._insert(start, end, flags, int(match[4], 16) >> 12, match[6], program)
        heap = max(area.end for area in self.space.areas if area.backing is program or area.end < 1 << 32)
        self.space.places.start_brk = self.space.places.brk = heap
        result, _ = self.native.perform(BRK, (0,), 9)
        self.space.places.start_brk = self.space.places.brk = result

    def _insert(self, start: int, end: int, flags: int, page: int, name: str, program: OpenFile) -> None:
        space = self.space
        if name.startswith("[vsys"):
            return
        if name.startswith("[v"):
            frames = [space.frames.allocate(2) for _ in range((end - start) >> 12)]
            flags = (
                flags | VM_DONTEXPAND
                if name == "[vdso]"
                else (VM_READ | VM_MAYREAD | VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP)
            )
            space.areas.insert(Area(start, end, flags, 0, special_pages(space.frames, name, frames), name))
        elif name == "[stack]":
            flags = VM_DATA | VM_GROWSDOWN | VM_ACCOUNT
            group = AnonymousGroup()
            space.areas.insert(Area(start, end, flags, start >> 12, group=group, chain=(group,)))
            space.places.start_stack = end - 64
        elif name:
            space.areas.insert(Area(start, end, flags, page, program))
        else:
            flags |= VM_ACCOUNT if flags & VM_WRITE else 0
            space.areas.insert(Area(start, end, flags, start >> 12))
        space.changed_areas((end - start) >> 12)

    def perform(self, number: int, *arguments: int, dump: int = MAPS) -> tuple[int, int, str, str]:
        """Both results and both dumps."""
        self.history.append((number, arguments))
        native, shown = self.native.perform(number, arguments, dump)
        result = self._ours(number, arguments)
        self.cooled |= number == MADVISE and arguments[2] in (MADV_FREE, MADV_COLD, MADV_PAGEOUT)
        self.unsure |= self.cooled and number in (TOUCH_WRITE, TOUCH_READ, PEEK) and result < 0
        render = {MAPS: procfs_memory.maps, SMAPS: procfs_memory.smaps}.get(dump)
        return native, result, normal(shown), normal(render(self.space)) if render is not None else ""

    def check(self, number: int, *arguments: int) -> None:
        """Perform and require equal results and maps. The message tells the whole history."""
        self._require(lambda both: both._map_difference(number, arguments))

    def check_pages(self) -> None:
        """Require that smaps agrees for the areas at and above the arena, but for the stack's and the kernel's pages."""
        self._require(Both._page_difference)

    def _require(self, difference: Callable[[Both], str]) -> None:
        """A difference counts if it is there again when all is played afresh.

        Whatever else the machine does at that moment, such as writing back, looking for idle pages or running out of
        memory, differs the second time.
        """
        before = list(self.history)
        found = difference(self)
        if not found:
            return
        again = Both()
        for number, arguments in before:
            again.perform(number, *arguments)
        found = difference(again)
        self.native.close()
        shutil.rmtree(self.folder)
        vars(self).update(vars(again))
        if found:
            lines = "\n".join(
                f"{number} {' '.join(map(hex, arguments))}" for number, arguments in self.history
            )
            raise AssertionError(f"after\n{lines}\n{found}")

    def _map_difference(self, number: int, arguments: tuple[int, ...]) -> str:
        try:
            native, ours, native_map, our_map = self.perform(number, *arguments)
        except OSError as error:
            return f"the native helper died: {error}"
        if (native, native_map) == (ours, our_map):
            return ""
        return f"native {native:#x} ours {ours:#x}\nnative\n{native_map}\nours\n{our_map}"

    def _page_difference(self) -> str:
        try:
            _, _, theirs, ours = self.perform(NOTHING, dump=SMAPS)
        except OSError as error:
            return f"the native helper died: {error}"
        wanted, got = smaps_areas(theirs), smaps_areas(ours)
        if self.unsure:
            for values in (*wanted.values(), *got.values()):
                values.pop("Referenced", None)
        return "\n".join(
            f"{head}\n  native {wanted[head]}\n  ours   {got.get(head)}"
            for head in wanted
            if "[" not in head and "/oracle" not in head and wanted[head] != got.get(head)
        )

    def _ours(self, number: int, arguments: tuple[int, ...]) -> int:
        arguments = tuple(argument & (1 << 64) - 1 for argument in arguments)
        try:
            return self._call(number, arguments) or 0
        except SyscallError as error:
            return -int(error.errno)

    def _call(self, number: int, a: tuple[int, ...]) -> int | None:
        space = self.space
        if number == MMAP:
            return self._mmap(*a)
        if number == BRK:
            return space.brk(a[0])
        if number == MREMAP:
            return space.mremap(*a)
        if number == TOUCH_WRITE:
            space.write(a[0], b"\0")
            return 1
        if number == TOUCH_READ:
            space.read(a[0], 1)
            return 1
        if number == PEEK:
            return space.read(a[0], 1)[0]
        if number in (FORK_CHILD, FORK_PARENT):
            child = space.clone()
            self.kept.append(space if number == FORK_CHILD else child)
            self.space = child if number == FORK_CHILD else space
            return 0
        if number == SET_LIMIT:
            self.limits.values[a[0]] = a[1]
            return 0
        if number == BECOME_NOBODY:
            self.limits.privileged = False
            return 0
        calls: dict[int, Any] = {
            MPROTECT: space.mprotect,
            MUNMAP: space.munmap,
            MSYNC: space.msync,
            MADVISE: space.madvise,
            MINCORE: space.mincore,
            MLOCK: space.mlock,
            MLOCK2: space.mlock,
            MUNLOCK: space.munlock,
            MLOCKALL: space.mlockall,
            MUNLOCKALL: space.munlockall,
            NOTHING: lambda: None,
        }
        calls[number](*a)
        return None

    def _mmap(
        self, address: int, length: int, prot: int, flags: int, descriptor: int = 0, offset: int = 0
    ) -> int:
        if offset % PAGE_SIZE:
            raise SyscallError(Errno.EINVAL)
        backing = None
        if not flags & 0x20:
            backing = self.files.get(descriptor)
            if backing is None:
                raise SyscallError(Errno.EBADF)
        return self.space.mmap(address, length, prot, flags, backing, offset)


def _write_in_pages(path: Path) -> None:
    """Write page by page: larger writes make large folios in Linux's page cache, which get dirty as a whole."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for start in range(0, FILE_SIZE, PAGE_SIZE):
        os.write(descriptor, CONTENT[start : start + PAGE_SIZE])
    os.close(descriptor)


def normal(text: str) -> str:
    """A map without what may differ: device and inode, the vdso's residence."""
    text = re.sub(
        r"(?m)^(\w+-\w+ .... \w+) \S+ (\d+) +", lambda m: f"{m[1]} {'file' if m[2] != '0' else '-'} ", text
    )
    return re.sub(r"[ \t]+$", "", text, flags=re.M)


def without_writeback(head: str, values: dict[str, str]) -> dict[str, str]:
    """A file's pages counted without regard to what is dirty: any sync on the machine changes that natively."""
    if " file " not in head or "/dev/zero" in head:
        return values
    kept = {
        label: value
        for label, value in values.items()
        if label != "Pss_Dirty" and label[-5:] not in ("Clean", "Dirty")
    }
    for kind in ("Shared", "Private"):
        kept[kind] = str(sum(int(values[f"{kind}_{state}"].split()[0]) for state in ("Clean", "Dirty")))
    return kept


def smaps_areas(text: str) -> dict[str, dict[str, str]]:
    """The lines of smaps by area: head → label → value. The program's own bss is left out."""
    areas: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if re.match(r"\w+-\w+ ", line):
            current = areas[line] = {}
        else:
            label, _, value = line.partition(":")
            if label != "LazyFree":  # Linux marks pages so when a batch of them is worked off
                current[label] = value.strip()
    return {
        head: without_writeback(head, values)
        for head, values in areas.items()
        if not head.startswith("00403000")
    }
