"""smaps_self: resident pages of .bss."""

from toolkit.grading import check, regex

PAGE = 4096


@check("touches three pages and no other", points=2)
def touches(program):
    """The first byte of page 0, page 3 and page 7 of `pages`, or any other byte there."""
    run = program.run()
    start = program.symbols["pages"]
    touched = [page for page in range(8) if any(run.memory(start + page * PAGE, PAGE, at="exit"))]
    assert touched == [0, 3, 7], f"the pages {touched} were written"


@check("prints its smaps", points=2)
def prints(program):
    """All of it: the last area is [vsyscall] or [stack], with its VmFlags."""
    run = program.run()
    run.expect.exit(0)
    run.expect.stdout(contains=regex(rb"(?m)^Rss: +\d+ kB$"))
    run.expect.stdout(contains=regex(rb"(?s)\[stack\].*VmFlags:.*\n\Z"))


@check("the kernel counts the three pages", points=2, depends_on=[touches, prints])
def counts(program):
    """In the area of .bss: three pages of `pages`, and those of `text` that the kernel wrote to while it was read."""
    run = program.run()
    lines = run.stdout.decode().splitlines()
    start = program.symbols["pages"]
    header = [
        number for number, line in enumerate(lines) if "-" in line.split(" ")[0] and contains(line, start)
    ]
    assert header, "the output has no line for the area of .bss"
    rss = next(line for line in lines[header[0] :] if line.startswith("Rss:"))
    assert int(rss.split()[1]) >= 12, f"the area of .bss has {rss}"


def contains(line, address):
    start, end = (int(part, 16) for part in line.split(" ")[0].split("-"))
    return start <= address < end
