"""program_break: brk up and down."""

from toolkit.grading import check

PAGE = 4096


@check("grows by three pages, then shrinks to one", points=3)
def breaks(program):
    """Three calls: brk(0), brk(start + 3 pages), brk(start + 1 page)."""
    run = program.run()
    run.expect.syscall("brk", args=(0,))
    results = [call.result for call in run.syscalls if call.name == "brk"]
    assert len(results) == 3, f"brk was called {len(results)} time(s), not 3 times"
    sizes = [result - results[0] for result in results]
    assert sizes == [0, 3 * PAGE, PAGE], f"the heap was {sizes} bytes long after the three calls"


@check("uses the memory while it is there", points=2, depends_on=breaks)
def uses(program):
    """A byte in the third page before shrinking, one in the first page before the end; and the line is printed."""
    run = program.run()
    run.expect.stdout(b"one page left\n")
    heap = run.expect.area(at="exit", name="[heap]", size=PAGE)
    assert any(run.memory(heap.start, PAGE, at="exit")), "nothing was stored in the page that is left"
    third = run.memory(heap.start + 2 * PAGE, PAGE, at="syscall:brk:3")
    assert any(third), "nothing was stored in the third page while it was there"


@check("dies where the second page was", points=2, depends_on=uses)
def dies(program):
    """A write to an address between one and two pages behind the beginning of the heap."""
    run = program.run()
    run.expect.signal("SIGSEGV")
    heap = run.expect.area(at="exit", name="[heap]")
    run.expect.fault(access="write", address=range(heap.end, heap.end + PAGE))
