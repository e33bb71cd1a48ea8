"""Find the mnemonics Keystone may be asked about: ``python tests/asm/keystone_whitelist.py`` rewrites keystone.txt.

Every question the table's forms give rise to is put to Keystone in child processes, so that one that kills the process is found
out. A mnemonic is listed when some answer was the matched form's bytes and none ended the process.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "toolkit" / "asm" / "instructions" / "keystone.txt"
HEADER = """\
; The mnemonics Keystone 0.9.2 may be asked about: it encoded some form of each as nasm does and survived every question.
; Written by tests/asm/keystone_whitelist.py; do not edit.
"""
CHUNK = 300


def survey(names: list[str]) -> None:
    """In a child: ask everything about each mnemonic, printing its name before and the number of agreeing answers after."""
    from tests.asm.instruction_cases import table_cases
    from toolkit.asm import encode, encoder_keystone
    from toolkit.asm.statement import EncodingContext

    encoder_keystone.whitelist = lambda: frozenset(names)  # type: ignore[assignment]
    for name in names:
        print("start", name, flush=True)
        backend = encode.use(encode.KeystoneBackend())
        for bits in (64, 32, 16):
            for instruction in table_cases(bits, [name]):
                try:
                    encode.encode(instruction, EncodingContext(bits=bits))
                except encode.EncodeError:
                    continue
        print("done", name, backend.tally.agreed, flush=True)  # type: ignore[attr-defined]


def find() -> list[str]:
    """The whitelist, asking in as many child processes as it takes."""
    from toolkit.asm.instructions import mnemonics

    waiting, found = list(mnemonics()), []
    while waiting:
        chunk, waiting = waiting[:CHUNK], waiting[CHUNK:]
        child = subprocess.run(
            [sys.executable, "-m", "tests.asm.keystone_whitelist", *chunk],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        finished = [line.split()[1:] for line in child.stdout.splitlines() if line.startswith("done")]
        found += [name for name, agreed in finished if int(agreed)]
        if child.returncode:
            victim = chunk[len(finished)]
            print(f"{victim} ended the process with {child.returncode}: {child.stderr[-200:]}")
            waiting = chunk[len(finished) + 1 :] + waiting
    return found


def main() -> None:
    names = " ".join(sorted(find()))
    TARGET.write_text(HEADER + textwrap.fill(names, 110) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if len(sys.argv) > 1:
        survey(sys.argv[1:])
    else:
        main()
