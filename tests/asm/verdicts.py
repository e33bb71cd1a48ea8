"""What nasm makes of programs nobody meant, and what we do: ``python -m tests.asm.verdicts COUNT SEED [FOLDER]`` counts both.

The programs are those of the fuzzer and the random grammar, damaged like them. Printed: how many nasm refused, accepted or failed at
itself (a crash, a panic, no end); how many of those it refused were refused here; how many it accepted came out equal. FOLDER gets
the programs on which we differ.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.asm.fuzz import Mutator, corpus
from tests.differential.test_assemble_random import everything
from toolkit.asm import assemble
from toolkit.asm.source import SourceTree

FORMATS = ("elf64", "elf64", "elf32", "bin")
SECONDS = 10  # for one nasm
LIMITED = ["prlimit", f"--as={2 << 30}", f"--fsize={1 << 28}"]  # without a fork of Python, which is large
ALIKE = ("refused, refused here", "accepted, equal here", "failed, refused here", "failed, accepted here")


def nasm(source: bytes, form: str, folder: Path) -> tuple[str, bytes | None, str]:
    """("accepted", "refused" or "failed", the object, what nasm said)."""
    (folder / "self.asm").write_bytes(source)
    target = folder / "self.o"
    target.unlink(missing_ok=True)
    command = [*LIMITED, "nasm", "-f", form, "self.asm", "-o", "self.o"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "failed", None, "no end"
    said = done.stderr.decode("latin-1")
    if done.returncode not in (0, 1) or "panic:" in said:
        return "failed", None, said
    return ("refused", None, said) if done.returncode else ("accepted", target.read_bytes(), said)


def first_error(said: str) -> str:
    found = re.search(r"^[^:]*:\d+: ((?:error|fatal).*)$", said, re.MULTILINE)
    return found[1] if found else said[:200]


def judge(source: bytes, form: str, folder: Path) -> tuple[str, str]:
    """("nasm's verdict, ours", what each said)."""
    verdict, theirs, said = nasm(source, form, folder)
    tree = SourceTree.from_memory({"self.asm": source})
    result = assemble("", name="self.asm", tree=tree, format=form)
    ours = [each.render_nasm() for each in result.diagnostics if each.is_error][:2]
    if verdict == "accepted":
        kind = "refused" if result.object is None else "equal" if result.object == theirs else "differs"
    else:
        kind = "refused" if result.object is None else "accepted"
    return (
        f"{verdict}, {kind} here",
        f"nasm: {first_error(said) if verdict != 'accepted' else said[:300]}\nours: {ours}",
    )


class Programs(Mutator):
    """A third of them are random grammar and damaged grammar, so that many are nearly right."""

    def program(self, chance: random.Random) -> bytes:
        if chance.random() < 0.3:
            return Mutator([everything(chance).encode()]).program(chance)
        return super().program(chance)


def count(programs: int, seed: int, kept: Path | None = None) -> tuple[Counter[str], list[str]]:
    """The verdicts of so many programs, and those that differ in words; their sources are left in ``kept``."""
    maker, found, different = Programs(corpus()), Counter[str](), []
    with tempfile.TemporaryDirectory() as name:
        for number in range(programs):
            chance = random.Random(f"{seed}-{number}")
            source = maker.program(chance)
            form = chance.choice(FORMATS)
            kind, said = judge(source, form, Path(name))
            found[kind] += 1
            if kind not in ALIKE:
                different.append(f"{seed}-{number}, {form}: {kind}\n{said}\n{source[:600]!r}")
                if kept is not None:
                    (kept / f"{seed}-{number}-{form}-{kind.replace(' ', '_')}.asm").write_bytes(source)
    return found, different


def main() -> None:
    kept = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    found, different = count(int(sys.argv[1]), int(sys.argv[2]), kept)
    print("\n".join(different))
    for kind, number in sorted(found.items()):
        print(f"{number:8,} {kind}")


if __name__ == "__main__":
    main()
