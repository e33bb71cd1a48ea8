"""Labels at which observers are called: breakpoints of the machine, by the names that moments have for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.kernel.elf_image import symbol_addresses

if TYPE_CHECKING:
    from toolkit.kernel.moments import Moments, Observer
    from toolkit.kernel.task import Process
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
