"""section_sizes: .rodata, .data, .bss to the byte."""

from toolkit.grading import check


@check("still ends with status 0", points=1)
def runs(program):
    """Sections without a use do no harm."""
    program.run().expect.exit(0)


@check("24 bytes of data", points=1, depends_on=runs)
def data(program):
    """Three quadwords, or 24 bytes, or anything of that size in section .data."""
    program.expect.section(".data", size=24)


@check("1000 bytes of bss", points=1, depends_on=runs)
def bss(program):
    """resb 1000 in section .bss. The linker may add a few bytes to align it: begin where the data ends."""
    program.expect.section(".bss", size=1000)


@check("32 bytes of constants", points=1, depends_on=runs)
def constants(program):
    """In section .rodata."""
    program.expect.section(".rodata", size=32)


@check("a small file", points=1, depends_on=[data, bss, constants])
def small(program):
    """What is in .bss costs nothing in the file."""
    assert len(program.elf) <= 14000, f"the file has {len(program.elf)} bytes"
