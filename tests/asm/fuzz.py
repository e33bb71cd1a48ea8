"""Programs nobody meant: ``python -m tests.asm.fuzz SECONDS [SEED]`` assembles and links them until the time is up.

Each is random bytes, a real program cut short, changed in some bytes, words or lines, or two spliced; every tenth object that comes
out is damaged and linked again. What must hold for each: an answer within ``LIMIT`` seconds, no exception, an object exactly
where there are no errors, every diagnostic printable in all forms, no file opened outside the program's folder, no process
started, no socket. The last line printed is the number of programs, that before it the slowest; an exception names the one at fault.
"""

from __future__ import annotations

import faulthandler
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 40  # seconds of processor time for one program
STUCK = 100  # seconds after the end of a run in which even a loop inside a library must have ended
MEMORY = 3 << 30
FORMATS = ("elf64", "elf64", "elf64", "elf32", "bin")
_PIECES = """
mov rax rsp al st0 xmm1 zmm31 k1 [ ] ( ) { } , : ; ' " ` % %% $ $$ + - * / << >> ~ ! 0 1 -1 0x 0ffh 1e10 1.5 1<<40 9999999999999999999
%define %assign %macro %endmacro %rep %endrep %if %elif %else %endif %include %use %push %pop %line %exitrep %rotate %[ %+ %0 %1 %%x
%rep 1000000000000000000
times incbin equ db dq dz resb resq ? dup align section global extern common absolute org bits default rel struc endstruc istruc
"/etc/passwd" "../../x" "self.asm" ..got wrt seg strict byte tword lock rep {evex} {k1}{z} {1to8} {rn-sae} .text .bss __?LINE?__ __?PASS?__
"""
WORDS = _PIECES.split()


class Mutator:
    """Makes one program from a seed and the real ones."""

    def __init__(self, corpus: list[bytes]) -> None:
        self.corpus = corpus

    def program(self, chance: random.Random) -> bytes:
        kinds = (
            self.noise,
            self.cut,
            self.bytes_changed,
            self.words_changed,
            self.lines_changed,
            self.spliced,
        )
        return chance.choice(kinds)(chance)

    def noise(self, chance: random.Random) -> bytes:
        if chance.random() < 0.5:
            return chance.randbytes(chance.randrange(400))
        return " ".join(chance.choice((*WORDS, "\n")) for _ in range(chance.randrange(120))).encode()

    def cut(self, chance: random.Random) -> bytes:
        text = chance.choice(self.corpus)
        return text[: chance.randrange(len(text) + 1)]

    def bytes_changed(self, chance: random.Random) -> bytes:
        text = bytearray(chance.choice(self.corpus))
        for _ in range(chance.randint(1, 12)):
            at = chance.randrange(len(text) + 1)
            text[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        return bytes(text)

    def words_changed(self, chance: random.Random) -> bytes:
        words = chance.choice(self.corpus).split(b" ")
        for _ in range(chance.randint(1, 8)):
            words[chance.randrange(len(words))] = chance.choice(WORDS).encode()
        return b" ".join(words)

    def lines_changed(self, chance: random.Random) -> bytes:
        lines = chance.choice(self.corpus).split(b"\n")
        for _ in range(chance.randint(1, 10)):
            first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
            if chance.random() < 0.3:
                lines[first] = b""
            else:
                lines[first], lines[second] = lines[second], lines[first]
        return b"\n".join(lines)

    def spliced(self, chance: random.Random) -> bytes:
        first, second = chance.choice(self.corpus), chance.choice(self.corpus)
        return first[: chance.randrange(len(first) + 1)] + second[chance.randrange(len(second) + 1) :]


def attempt(source: bytes, chance: random.Random, folder: Path) -> None:
    """Assemble and link one program. Raises for what must not happen."""
    from toolkit.asm import assemble
    from toolkit.asm.source import SourceTree

    form = chance.choice(FORMATS)
    options = {"format": form, "listing": chance.random() < 0.1, "debug": chance.random() < 0.1}
    if chance.random() < 0.1:
        path = folder / "self.asm"
        path.write_bytes(source)
        result = assemble(path, **options)  # type: ignore[arg-type]
    else:
        result = assemble("", name="self.asm", tree=SourceTree.from_memory({"self.asm": source}), **options)  # type: ignore[arg-type]
    if (result.object is None) != any(d.is_error for d in result.diagnostics):
        raise AssertionError("an object beside errors, or neither")
    if options["listing"] and result.object is not None:
        result.listing()
    printable(result.diagnostics)
    if result.object is not None and form != "bin":
        link_all(result.object, chance)


def link_all(data: bytes, chance: random.Random) -> None:
    """Link an object, and now and then one with damaged bytes."""
    from toolkit.asm.link import LinkInput, link

    printable(link([LinkInput("self.o", data)]).diagnostics)
    if chance.random() < 0.1:
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        kind = chance.choice(("static", "static", "pie", "shared"))
        linked = link([LinkInput("self.o", bytes(damaged)), LinkInput("two.o", data)], kind=kind)
        printable(linked.diagnostics)


def printable(diagnostics: tuple) -> None:  # type: ignore[type-arg]
    for diagnostic in diagnostics[:20]:
        if not diagnostic.message:
            raise AssertionError("a diagnostic without words")
        diagnostic.render()
        diagnostic.render_nasm()
        json.dumps(diagnostic.as_json())


def guard(folder: Path) -> None:
    """Refuse, from here on, what no program may make the assembler do; limit memory."""
    allowed = tuple({str(folder), str(ROOT / "toolkit"), sys.prefix, sys.base_prefix})

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            if not arguments[0].startswith(allowed):
                raise PermissionError(f"the assembler opened {arguments[0]}")
        elif event in (
            "subprocess.Popen",
            "os.system",
            "os.exec",
            "os.fork",
            "socket.__new__",
            "ctypes.dlopen",
        ):
            raise PermissionError(f"the assembler asked for {event}")

    sys.addaudithook(audit)
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def corpus() -> list[bytes]:
    """The repository's programs, the short ones first: 200 of them, spread."""
    paths = sorted((ROOT / "exercises").rglob("*.asm")) + sorted((ROOT / "tests").rglob("*.asm"))
    texts = sorted({path.read_bytes() for path in paths}, key=len)
    return [text for text in texts if 20 < len(text) < 6000][:: max(len(texts) // 200, 1)]


class TooLong(BaseException):
    """A program took longer than ``LIMIT``."""


def too_long(*_: object) -> None:
    raise TooLong(f"longer than {LIMIT} s of processor time")


def run(seconds: float, seed: int) -> int:
    """The number of programs tried."""
    mutator = Mutator(corpus())
    signal.signal(signal.SIGPROF, too_long)
    faulthandler.dump_traceback_later(seconds + STUCK, exit=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x").symlink_to("/etc/passwd")
        attempt(b"global _start\n_start: nop\n", random.Random(0), folder)  # loads what is loaded late
        guard(folder)
        count, slowest, now = 0, (0.0, ""), time.process_time()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            number = f"{seed}-{count}"
            chance = random.Random(number)
            source = mutator.program(chance)
            signal.setitimer(signal.ITIMER_PROF, LIMIT)
            try:
                attempt(source, chance, folder)
            except BaseException:
                print(f"program {number}: {source[:3000]!r}", flush=True)
                raise
            began, now = now, time.process_time()
            slowest = max(slowest, (now - began, number))
            count += 1
    signal.setitimer(signal.ITIMER_PROF, 0)
    faulthandler.cancel_dump_traceback_later()
    print(f"slowest: {slowest[0]:.2f} s, program {slowest[1]}")
    return count


if __name__ == "__main__":
    chosen = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    print(f"seed {chosen}", flush=True)
    print(run(float(sys.argv[1]), chosen))
