"""layout: the address space in six lines."""

from toolkit.grading import check

PAGE = 4096
NAMES = ["text", "data", "bss", "heap", "mmap", "stack"]


def addresses(run):
    lines = [line.split() for line in run.stdout.decode("latin-1").splitlines()]
    assert [line[0] for line in lines if line] == NAMES, (
        f"the lines begin with {[line[0] for line in lines if line]}, not with {NAMES}"
    )
    assert all(len(line) == 2 and len(line[1]) == 16 for line in lines), (
        "each line is a name, blanks, and 16 hexadecimal digits"
    )
    return {line[0]: int(line[1], 16) for line in lines}


@check("prints six lines", points=2)
def lines(program):
    """text, data, bss, heap, mmap, stack, each with an address of 16 digits."""
    run = program.run()
    run.expect.exit(0)
    addresses(run)


@check("text, data and bss lie in the program", points=2, depends_on=lines)
def program_parts(program):
    """The addresses of _start, data and bss."""
    found = addresses(program.run())
    for name, symbol in (("text", "_start"), ("data", "data"), ("bss", "bss")):
        assert found[name] == program.symbols[symbol], (
            f"{name} is {found[name]:#x}, but {symbol} is at {program.symbols[symbol]:#x}"
        )


@check("heap, mmap and stack lie in their areas", points=3, depends_on=lines)
def others(program):
    """The first byte of the heap, of the mapped page, and where the stack ends at the moment."""
    run = program.run()
    found = addresses(run)
    heap = run.expect.area(name="[heap]", size=PAGE)
    run.expect.syscall("brk", args=(0,))
    run.expect.syscall("brk", args=(heap.start + PAGE,))
    assert found["heap"] == heap.start, f"the heap begins at {heap.start:#x}"
    run.expect.syscall("mmap", args=(0, PAGE), result=found["mmap"])
    run.expect.area(path="/dev/zero (deleted)", perms="r--s", start=found["mmap"], size=PAGE)
    run.expect.area(name="[stack]", contains=found["stack"])


@check("in the order of a real process", points=1, depends_on=others)
def order(program):
    """From below: text, data, bss, heap; far above: mmap; at the top: stack."""
    found = addresses(program.run())
    assert list(found.values()) == sorted(found.values()), "the addresses do not rise"
