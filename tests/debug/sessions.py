"""Sessions for tests: a source in, a session out."""

from __future__ import annotations

from toolkit.asm import assemble
from toolkit.asm.link import LinkInput, link
from toolkit.debug.session import Session
from toolkit.debug.sight import Run
from toolkit.grading.building import Built
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.outcome import Outcome
from toolkit.machine.cpu import Machine


def build(source: str) -> Built:
    assembly = assemble(source, name="program.asm")
    assert assembly.object is not None, assembly.diagnostics
    linked = link([LinkInput("program.o", assembly.object, assembly.lines)])
    return Built((), linked.elf, linked.symbols, linked.lines, {"program.asm": source.splitlines()})


def fate(outcome: Outcome) -> list[str]:
    if outcome.exit_code is not None:
        return [f"exit status {outcome.exit_code}"]
    return [outcome.shell_message, "  why it died"]


def open_session(source: str, stdin: bytes = b"", *, seed: int = 0) -> Session:
    built = build(source)
    machine = Machine()

    def begin(given: bytes) -> Run:
        run = Run(Kernel(machine, seed=seed, trace=True), given, fate)
        run.kernel.spawn(
            built.elf or b"",
            ["./program"],
            name="program",
            stdin=given,
            stdout=lambda data: run.output.append((1, bytes(data))),
            stderr=lambda data: run.output.append((2, bytes(data))),
        )
        run.stdin = run.kernel.processes.main.files.get(0)
        return run

    return Session(built, begin, stdin)
