"""sections: .rodata, .data, .bss."""

from toolkit.grading import check

TEXT = b"primes below 20: 2357;=AC\n"


@check("still does the same", points=1)
def same(program):
    """Moving things between sections must not change what the program prints."""
    run = program.run()
    run.expect.stdout(TEXT)
    run.expect.exit(0)


@check("constants are in .rodata", points=2, depends_on=same)
def constants(program):
    """greeting and primes are never written to."""
    program.expect.symbol("greeting", section=".rodata")
    program.expect.symbol("primes", section=".rodata")


@check("only the counter is in .data", points=2, depends_on=same)
def data(program):
    """Eight bytes."""
    program.expect.symbol("counter", section=".data")
    program.expect.section(".data", size=8)


@check("the buffer is in .bss", points=2, depends_on=same)
def bss(program):
    """resb 4096: promised, not stored."""
    program.expect.symbol("buffer", section=".bss")
    program.expect.section(".bss", at_least=4096, at_most=4100)


@check("the file is small", points=1, depends_on=same)
def small(program):
    """The zeros that nobody needs are gone."""
    assert len(program.elf) < 10_000, f"the file has {len(program.elf)} bytes"
