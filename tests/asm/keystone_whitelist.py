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
COMPARED = TARGET.with_name("keystone_compared.txt")
COMPARED_HEADER = """\
; The mnemonics of which Capstone read every agreeing answer of Keystone 0.9.2 as it was asked, in three modes.
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
        print("done", name, backend.tally.agreed, backend.tally.misread, flush=True)  # type: ignore[attr-defined]


def find() -> tuple[list[str], list[str]]:
    """The whitelist, and the part of it that was never misread, asking in as many child processes as it takes."""
    from toolkit.asm.instructions import mnemonics

    waiting, found, compared = list(mnemonics()), [], []
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
        found += [name for name, agreed, _ in finished if int(agreed)]
        compared += [name for name, agreed, misread in finished if int(agreed) and not int(misread)]
        if child.returncode:
            victim = chunk[len(finished)]
            print(f"{victim} ended the process with {child.returncode}: {child.stderr[-200:]}")
            waiting = chunk[len(finished) + 1 :] + waiting
    return found, compared


def main() -> None:
    for path, header, names in zip((TARGET, COMPARED), (HEADER, COMPARED_HEADER), find(), strict=True):
        text = textwrap.fill(" ".join(sorted(names)), 110)
        path.write_text(header + text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if len(sys.argv) > 1:
        survey(sys.argv[1:])
    else:
        main()
