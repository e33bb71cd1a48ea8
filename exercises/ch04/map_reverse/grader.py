"""map_reverse: two addresses in a mapped file."""

from toolkit.grading import check, given, strategies


@check("reverses a word", points=2)
def word(program):
    """Each pair is swapped once: go on only while the lower address is below the upper one."""
    run = program.run(files={"palindrome.txt": b"abcde"})
    run.expect.exit(0)
    run.expect.file("palindrome.txt", b"edcba")


@check("reverses any file", points=3, depends_on=word)
@given(strategies.binary(min_size=1, max_size=40), strategies.sampled_from([1, 2, 150]), examples=12)
def any_file(program, data, times):
    """Of even or odd length, and longer than a page."""
    data *= times
    program.run(files={"palindrome.txt": data}).expect.file("palindrome.txt", data[::-1])


@check("reverses a file of several pages", points=1, depends_on=any_file)
def long_file(program):
    """The mapping is as long as the file, and so is the walk."""
    data = bytes(range(251)) * 50
    program.run(files={"palindrome.txt": data}).expect.file("palindrome.txt", data[::-1])


@check("in place", points=2, depends_on=word)
def in_place(program):
    """Through the mapping: no write."""
    run = program.run(files={"palindrome.txt": b"abcde"})
    run.expect.no_syscall("write")
    run.expect.no_syscall("pwrite64")
    run.expect.syscall("mmap", args=(0,))
    run.expect.area(at="exit", path="palindrome.txt", perms="rw-s", size=4096)
