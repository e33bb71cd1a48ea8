"""brackets: a pushdown automaton."""

from toolkit.grading import check, given, strategies

PAIRS = {")": "(", "]": "[", "}": "{"}
texts = strategies.text(strategies.sampled_from("([{}])()x"), max_size=16)
nested = strategies.recursive(
    strategies.just(""),
    lambda inner: strategies.tuples(strategies.sampled_from(["()", "[]", "{}"]), inner, inner).map(
        lambda parts: parts[0][0] + parts[1] + parts[0][1] + parts[2]
    ),
    max_leaves=8,
)


def balanced(text):
    stack = []
    for character in text:
        if character in "([{":
            stack.append(character)
        elif character in PAIRS and (not stack or stack.pop() != PAIRS[character]):
            return False
    return not stack


@check("accepts balanced brackets", points=2)
@given(nested)
def accepts(program, text):
    """Of all three kinds, nested and one behind the other; nothing at all is balanced too."""
    program.expect.call("balanced", text.encode() + b"\0", returns=1)


@check("refuses what is open or closed too often", points=2)
def refuses(program):
    """At the end nothing may be left; a closing bracket needs an opening one. The function must return in any case."""
    for text in (b"(", b")", b"(()", b"())", b"x)y(", b"]", b"}", b")))"):
        program.expect.call("balanced", text + b"\0", returns=0)


@given(texts)
def drawn(program, text):
    program.expect.call("balanced", text.encode() + b"\0", returns=int(balanced(text)))


@check("refuses the wrong kind", points=2, depends_on=[accepts, refuses])
def kinds(program):
    """([)] opens and closes as often as it should, but not in the right order."""
    drawn(program)
    program.expect.call("balanced", b"([)]\0", returns=0)
