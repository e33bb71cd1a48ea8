"""comment_stripper: code, comment, string."""

from toolkit.grading import check, given, strategies

texts = strategies.text(strategies.sampled_from("ab;'\"` \n\n"), max_size=30).map(str.encode)


def strip(text):
    output, quote, comment = bytearray(), 0, False
    for byte in text:
        if byte == 10:
            quote, comment = 0, False
        elif quote:
            quote = 0 if byte == quote else quote
        elif comment or byte == ord(";"):
            comment = True
            continue
        elif byte in b"'\"`":
            quote = byte
        output.append(byte)
    return bytes(output)


@check("copies text without comments", points=1)
def copies(program):
    """Byte by byte, to the end."""
    run = program.run(stdin=b"mov eax, 1\nret\n")
    run.expect.stdout(b"mov eax, 1\nret\n")
    run.expect.exit(0)


@check("removes comments and keeps the lines", points=2, depends_on=copies)
def removes(program):
    """The newline belongs to the line, not to the comment."""
    program.run(stdin=b"nop ; nothing\n; all of it\nret;").expect.stdout(b"nop \n\nret")


@check("keeps semicolons in strings", points=2, depends_on=removes)
def strings(program):
    """A string ends with the quote it began with."""
    text = b"db \"a;b\", ';', `x;'y`, \"it's\" ; 'comment'\n"
    program.run(stdin=text).expect.stdout(strip(text))


@check("is right for every text", points=2, depends_on=strings)
@given(texts)
def every(program, text):
    """Also a quote inside a comment, and a string that its line cuts off."""
    program.run(stdin=text).expect.stdout(strip(text))
