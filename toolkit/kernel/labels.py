"""Labels at which observers are called: breakpoints of the machine, by the names that moments have for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.kernel import exceptions
from toolkit.kernel.clock import EVENT
from toolkit.kernel.elf_image import symbol_addresses
from toolkit.kernel.syscalls.dispatch import call
from toolkit.kernel.task import State
from toolkit.machine.events import Breakpoint, BudgetSpent, Held, Interrupted, Rewritten, Syscall
from toolkit.machine.registers import RAX, RIP

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.moments import Moments, Observer
    from toolkit.kernel.task import Process, Thread
    from toolkit.machine.cpu import Machine


class Labels:
    """`names`: where the machine stops, with what the moments call each place: symbols of the program, or addresses."""

    def __init__(self, machine: Machine, moments: Moments) -> None:
        self._machine, self._moments = machine, moments
        self.names: dict[int, list[str]] = {}
        self._placed: tuple[object, ...] = ((), None)

    def place(self, main: Process) -> None:
        """Breakpoints on the symbols of the main process's program that moments name."""
        wanted = (tuple(self._moments.labels), main.executable)
        if wanted == self._placed or main.executable is None:
            return
        self._placed = wanted
        pages = main.executable.pages
        named = any(not name.startswith("0x") for name in self._moments.labels)
        known = symbol_addresses(pages.read(0, pages.size), main.load_bias) if named else {}
        self.names = {}
        for name in self._moments.labels:
            address = int(name, 16) if name.startswith("0x") else known.get(name)
            if address is not None:
                self.names.setdefault(address, []).append(name)
        self._machine.set_breakpoints(self.names)

    def arrive(self, kernel: Kernel, thread: Thread) -> int:
        """Tell the observers, once each time the thread comes here, and run the instruction alone: how many were executed.

        An instruction that faults is begun anew later: `announced` says that this arrival was told already. An observer
        may have forgotten this label, and then the machine also stops at the next one.
        """
        address = thread.registers[RIP]
        if thread.announced != address:
            thread.announced = address
            if thread.process is kernel.processes.main:
                for name in self.names[address]:
                    kernel.observe(thread, self._moments.due(self._moments.labels, "label:", name))
                self.drop_finished(address)
            if kernel.ending is not None or thread.state is not State.RUNNABLE or thread.signal_pending:
                return 0
        event = self._machine.run(1)
        executed = self._machine.instructions
        kernel.instructions += executed
        kernel.clock.now += executed
        if isinstance(event, (Syscall, BudgetSpent)) or thread.registers[RIP] != address:
            thread.announced = None
        if isinstance(event, Syscall):
            kernel.clock.now += EVENT
            abi = "x86_64" if event.kind == "syscall" else "i386"
            call(kernel, thread, thread.registers[RAX] & 0xFFFFFFFF, abi)
        elif type(event) is Held:
            kernel.passing.held(thread)
        elif not isinstance(event, (BudgetSpent, Breakpoint, Interrupted, Rewritten)):
            kernel.clock.now += EVENT
            exceptions.handle(kernel, thread, event)
        return executed

    def drop_finished(self, address: int) -> None:
        """Stop no more where the last of the moments has been."""
        here = self.names.get(address, [])
        left = [name for name in here if not self._moments.take_finished_label(name)]
        if len(left) == len(here):
            return
        if left:
            self.names[address] = left
        else:
            del self.names[address]
        self._placed = (tuple(self._moments.labels), self._placed[1])
        self._machine.set_breakpoints(self.names)

    def forget(self, observer: Observer, main: Process) -> None:
        """No longer call `observer` at labels, and have none where nobody else is called."""
        labels = self._moments.labels
        for name, observers in tuple(labels.items()):
            labels[name] = [each for each in observers if each[1] != observer]
            if not labels[name]:
                del labels[name]
        self.place(main)
