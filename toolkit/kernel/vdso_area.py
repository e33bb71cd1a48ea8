"""The kernel's own areas in a program: [vvar], [vvar_vclock] and [vdso] (arch/x86/entry/vdso/vma.c)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.abi.memory import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    PAGE_SIZE,
    PROT_NONE,
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_EXEC,
    VM_IO,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_PFNMAP,
    VM_READ,
)
from toolkit.kernel.mm.frames import FILE, FIXED

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.mm.frames import Frames
    from toolkit.kernel.mm.space import AddressSpace
    from toolkit.personality.layout import Personality

OTHER_PROCESSES = 8
"""That have the vDSO mapped: init, the shell and the like, which don't run here."""
VVAR_FLAGS = VM_READ | VM_MAYREAD | VM_IO | VM_DONTDUMP | VM_PFNMAP | VM_DONTEXPAND
VDSO_FLAGS = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND


@dataclass(frozen=True, slots=True)
class Vdso:
    """Where the vDSO was mapped, its `__kernel_vsyscall` (i386), and its symbols."""

    base: int
    entry: int = 0
    symbols: dict[str, int] = field(default_factory=dict)


def gap(space: AddressSpace, length: int) -> int:
    """Where mmap(NULL, length) would go now (get_unmapped_area)."""
    place = space.mmap(0, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS)
    space.munmap(place, length)
    return place


def map_vdso(kernel: Kernel, space: AddressSpace, personality: Personality) -> Vdso:
    """Map the three areas in one gap, data below code."""
    layout = personality.layout
    frames = kernel.vdso_frames(personality.bits)
    vvar, clock, code = layout.vvar_pages, layout.vvar_clock_pages, layout.vdso_pages
    start = gap(space, (vvar + clock + code) * PAGE_SIZE)
    clock_start = start + vvar * PAGE_SIZE
    base = clock_start + clock * PAGE_SIZE
    space.map_special(start, VVAR_FLAGS, "[vvar]", frames.data[:vvar])
    space.map_special(clock_start, VVAR_FLAGS, "[vvar_vclock]", frames.data[:clock])
    space.map_special(base, VDSO_FLAGS, "[vdso]", frames.code)
    symbols = {name: base + offset for name, offset in frames.symbols.items()}
    return Vdso(base, symbols.get("__kernel_vsyscall", base), symbols)


@dataclass(frozen=True, slots=True)
class VdsoFrames:
    """The physical frames behind the areas, made once for each kernel and ABI."""

    data: tuple[int, ...]
    code: tuple[int, ...]
    symbols: dict[str, int]


def allocate(frames: Frames, personality: Personality) -> VdsoFrames:
    """Put the vDSO's image into frames of its own. Its code counts as a file's pages that other processes map too."""
    layout = personality.layout
    image, symbols = vdso_image(personality.bits)
    data = tuple(frames.allocate(FIXED) for _ in range(layout.vvar_pages))
    code = []
    for index in range(layout.vdso_pages):
        frame = frames.allocate(FILE)
        frames.mappings[frame - frames.first] = OTHER_PROCESSES
        frames.write(frame, image[index * PAGE_SIZE : (index + 1) * PAGE_SIZE])
        code.append(frame)
    return VdsoFrames(data, tuple(code), symbols)


_IMAGES: dict[int, tuple[bytes, dict[str, int]]] = {}


def vdso_image(bits: int) -> tuple[bytes, dict[str, int]]:
    """The vDSO's bytes and the offsets of its symbols."""
    found = _IMAGES.get(bits)
    if found is None:
        from toolkit.kernel import vdso
        from toolkit.kernel.elf_image import dynamic_symbols

        image = vdso.image(bits)
        found = _IMAGES[bits] = image, dynamic_symbols(image)
    return found
