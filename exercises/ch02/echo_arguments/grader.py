"""echo_arguments: argv."""

from toolkit.grading import check, given, strategies

words = strategies.text(strategies.sampled_from("abcxyz 019-=/"), max_size=12)


@check("prints two arguments", points=2)
def two(program):
    """Each on its own line, without the program's name."""
    run = program.run("hello", "world")
    run.expect.stdout(b"hello\nworld\n")
    run.expect.exit(0)


@check("prints nothing without arguments", points=1)
def none(program):
    """The table ends at once."""
    run = program.run()
    run.expect.stdout(b"")
    run.expect.exit(0)


@check("prints any arguments", points=2, depends_on=two)
@given(strategies.lists(words, max_size=6))
def any_arguments(program, arguments):
    """Also empty ones, which are a line with nothing on it, and ones with spaces."""
    program.run(*arguments).expect.stdout("".join(word + "\n" for word in arguments))
