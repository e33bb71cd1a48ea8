"""The full screen: keys in, movements of a session, panes out. The only module that imports textual, an optional package."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from toolkit.debug import panes
from toolkit.debug.panes import View
from toolkit.debug.session import Session
from toolkit.debug.timeline import Movement

SHORT, NARROW = 40, 110
"""Fewer rows, or columns, than these: panes take turns, or are smaller."""
BREATH = 0.005  # seconds between the pieces of a movement: keys are looked at meanwhile
SLOW = 0.25  # seconds after which a movement is said to go on

HELP = """\
 s, →   step: one instruction              b, ←   step back
 n      step over a call or repetition     f      finish this function
 c      continue to a breakpoint           r      continue backwards
 space  breakpoint on the cursor's line    t      run to the cursor
 ↑ ↓ PgUp PgDn   move the cursor           .      cursor to the present line
 g      go to step: 120, +1000, -5, end    /      search a label (again: the next)
 m      watch memory: rsi, table+8, 0x402000
 i      give a line of standard input; I: text without a line's end
 tab    on a small screen: stack, memory, map    shift+tab: output, calls
 escape stop a long movement               q      quit

→ marks the instruction that runs next, ● a breakpoint. What the last step changed is yellow.
Going back is exact: a run is a function of the program, its input and the seed.
"""

CSS = """
Screen { layout: vertical; }
#headline { height: 1; background: $primary; color: $text; text-style: bold; padding: 0 1; }
#left { width: 1fr; } #right { width: 62; }
Pane { border: round $surface-lighten-2; border-title-color: $accent; height: 1fr; }
#source { height: 2fr; min-height: 6; } #story { height: 9; } #output { height: 1fr; } #calls { height: 1fr; }
#registers { height: 21; } #stack { height: 1fr; } #memory { height: 1fr; } #areas { height: 11; }
.short #registers { height: 13; } .short #story { height: 7; } .short #output, .short #calls { height: 6; }
.short #areas { height: 1fr; }
.short .away { display: none; }
.ended #story { height: 4fr; } .ended #source { height: 1fr; min-height: 5; }
.short.ended #output, .short.ended #calls { height: 4; }
.narrow #right { width: 48; }
#prompt { height: 3; }
Help { align: center middle; } #help { width: 90; height: auto; border: round $accent; background: $surface; padding: 1; }
"""


class Pane(Widget):
    """Draws one part of the view for the room that it has."""

    def __init__(self, name: str, title: str, draw: Callable[[View, int, int], Text]) -> None:
        super().__init__(id=name)
        self.border_title = title
        self._draw = draw

    def render(self) -> Text:
        app = self.app
        assert isinstance(app, Debugger)
        return self._draw(app.view, self.content_size.width, self.content_size.height)


class Help(ModalScreen[None]):
    """The keys; any key closes it."""

    def compose(self) -> ComposeResult:
        yield Static(Text(HELP), id="help")

    def on_key(self, event: events.Key) -> None:
        """Close."""
        event.stop()
        self.dismiss()


def _key(keys: str, action: str, text: str, *, shown: bool = True) -> Binding:
    return Binding(keys, action, text, show=shown)


class Debugger(App[None]):
    """One session on the screen. After `run`, ``fault`` is the error of ours that ended it, if one did."""

    CSS = CSS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("s,right", "go('step')", "step"),
        _key("b,left", "go('back')", "back"),
        _key("n", "go('over')", "over"),
        _key("f", "go('out')", "finish"),
        _key("c", "go('resume')", "continue"),
        _key("r", "go('reverse')", "reverse"),
        _key("space", "breakpoint", "break"),
        _key("t", "run_to", "to cursor"),
        _key("g", "ask('goto')", "go to"),
        _key("slash", "ask('search')", "search"),
        _key("m", "ask('watch')", "memory"),
        _key("i", "ask('give')", "stdin"),
        _key("I", "ask('give_text')", "", shown=False),
        _key("question_mark,h,f1", "help", "help"),
        _key("q", "quit", "quit"),
        _key("escape,ctrl+c", "stop", "", shown=False),
        _key("up,k", "cursor(-1)", "", shown=False),
        _key("down,j", "cursor(1)", "", shown=False),
        _key("pageup", "cursor(-10)", "", shown=False),
        _key("pagedown", "cursor(10)", "", shown=False),
        _key("full_stop,home", "cursor(0)", "", shown=False),
        Binding("tab", "turn('right')", "", show=False, priority=True),
        Binding("shift+tab", "turn('left')", "", show=False, priority=True),
    ]
    TURNS: ClassVar[dict[str, tuple[str, ...]]] = {
        "right": ("stack", "memory", "areas"),
        "left": ("output", "calls"),
    }
    QUESTIONS: ClassVar[dict[str, str]] = {
        "goto": "go to step: 120, +1000, -5 or end",
        "search": "search a label",
        "watch": "watch memory at: a register, a label, an address, or a sum of these",
        "give": "a line for the program's standard input",
        "give_text": "text for the program's standard input, without a line's end",
    }

    def __init__(self, session: Session, name: str) -> None:
        super().__init__()
        self.session = session
        self._program = name
        self._said = ""
        self._cursor = 0
        self._shown = {"right": 0, "left": 0}
        self._asked = ""
        self._last_search, self._turn = "", 0
        self._moving: asyncio.Task[None] | None = None
        self.fault: Exception | None = None
        self.view = self._make_view(follow=True)

    def on_unmount(self) -> None:
        """The screen is gone: what still moves is given up."""
        if self._moving is not None:
            self._moving.cancel()

    # -- drawing

    def compose(self) -> ComposeResult:
        """The panes."""
        yield Static(id="headline")
        with Horizontal():
            with Vertical(id="left"):
                yield Pane("source", "source", panes.source)
                yield Pane("story", "", panes.story)
                yield Pane("output", "output", panes.output)
                yield Pane("calls", "system calls", panes.calls)
            with Vertical(id="right"):
                yield Pane("registers", "registers", panes.registers)
                yield Pane("stack", "stack", panes.stack)
                yield Pane("memory", "memory", panes.memory)
                yield Pane("areas", "map", panes.areas)
        yield Input(id="prompt")
        yield Footer()

    def on_mount(self) -> None:
        """Nothing has the focus: keys are the debugger's."""
        self._close_prompt()
        self._redraw()

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout."""
        self.screen.set_class(event.size.height < SHORT, "short")
        self.screen.set_class(event.size.width < NARROW, "narrow")
        self._show_turns()

    def _make_view(self, *, follow: bool) -> View:
        listing, row = self.session.listing()
        if follow or listing is not self.view.listing:
            self._cursor = 0 if row is None else row
        return View(
            self.session.now,
            self.session.before,
            self.session.places,
            listing,
            row,
            self._cursor,
            frozenset(self.session.breakpoints),
            self.session.watch,
            self.session.done,
            self._said,
        )

    def _redraw(self, *, follow: bool = True) -> None:
        self.view = self._make_view(follow=follow)
        self.query_one("#headline", Static).update(Text(f"{self._program} · {panes.headline(self.view)}"))
        self.query_one("#source", Pane).border_title = self.view.listing.title
        self.query_one("#memory", Pane).border_title = f"memory at {self.view.watch}"
        self.screen.set_class(self.view.now.ended, "ended")
        for pane in self.query(Pane):
            pane.refresh()

    # -- moving

    def _move(self, movement: Movement[str]) -> None:
        """Begin a movement, unless one is under way; a short one is over before this returns."""
        if self._moving is not None:
            movement.close()
            return
        self._said = ""
        if not self._advance(movement):
            self._moving = asyncio.create_task(self._drive(movement))

    def _advance(self, movement: Movement[str]) -> bool:
        """One piece: whether the movement is over."""
        try:
            next(movement)
        except StopIteration as ended:
            self._said = ended.value
        except LookupError as error:
            self._said = str(error)
        except Exception as error:
            self.fault = error
            self.exit()
            return True
        else:
            return False
        self._redraw()
        return True

    async def _drive(self, movement: Movement[str]) -> None:
        begun, said = time.monotonic(), 0.0
        try:
            while not self._advance(movement):
                now = time.monotonic()
                if not self.is_running:
                    return
                if now - begun > SLOW and now - said > SLOW:
                    said = now
                    text = f"{self._program} · running: {self.session.timeline.position:,} instructions · escape stops"
                    self.query_one("#headline", Static).update(Text(text))
                await asyncio.sleep(BREATH)
        except asyncio.CancelledError:
            movement.close()
            if self.is_running:
                self.session.interrupted()
                self._said = "stopped on the way"
                self._redraw()
        finally:
            self._moving = None

    def action_go(self, movement: str) -> None:
        """One of the session's movements, by its name."""
        self._move(getattr(self.session, movement)())

    def action_run_to(self) -> None:
        """t"""
        address = self.view.listing.code_from(self._cursor)
        if address is None:
            self._say("no code from this line on")
        else:
            self._move(self.session.run_to(address))

    def action_breakpoint(self) -> None:
        """space"""
        address = self.view.listing.code_from(self._cursor)
        if address is None:
            self._say("no code from this line on")
            return
        there = self.session.toggle(address)
        self._say(f"breakpoint {'at' if there else 'removed from'} {address:#x}")

    def action_stop(self) -> None:
        """escape"""
        if self._asked:
            self._close_prompt()
        elif self._moving is not None:
            self._moving.cancel()

    # -- looking

    def _say(self, text: str) -> None:
        self._said = text
        self._redraw(follow=False)

    def action_cursor(self, change: int) -> None:
        """Up and down; 0: to the present line."""
        if change:
            self._cursor = max(0, min(len(self.view.listing.rows) - 1, self._cursor + change))
        self._redraw(follow=not change)

    def action_turn(self, side: str) -> None:
        """On a small screen: the next pane of those that take turns."""
        self._shown[side] = (self._shown[side] + 1) % len(self.TURNS[side])
        self._show_turns()

    def _show_turns(self) -> None:
        for side, names in self.TURNS.items():
            for number, name in enumerate(names):
                self.query_one(f"#{name}").set_class(number != self._shown[side], "away")

    def action_help(self) -> None:
        """?"""
        self.push_screen(Help())

    # -- asking

    def action_ask(self, what: str) -> None:
        """Open the prompt."""
        prompt = self.query_one("#prompt", Input)
        self._asked = what
        prompt.placeholder = self.QUESTIONS[what]
        prompt.value = ""
        prompt.can_focus = prompt.display = True
        self.set_focus(prompt)

    def _close_prompt(self) -> None:
        prompt = self.query_one("#prompt", Input)
        prompt.can_focus = prompt.display = False
        self._asked = ""
        self.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer what was asked."""
        asked, text = self._asked, event.value
        self._close_prompt()
        match asked:
            case "goto":
                self._go_to(text.strip())
            case "search":
                self._search(text.strip())
            case "watch":
                self._move(self.session.watch_at(text))
            case "give" | "give_text":
                self._move(self.session.give(text.encode() + (b"\n" if asked == "give" else b"")))

    def _go_to(self, text: str) -> None:
        if text == "end":
            self._move(self.session.goto(1 << 60))
            return
        try:
            number = int(text.replace(",", ""), 0)
        except ValueError:
            self._say(f"{text!r} is no number of instructions")
            return
        relative = text.startswith(("+", "-"))
        self._move(self.session.goto(self.session.now.position + number if relative else number))

    def _search(self, text: str) -> None:
        """Move the cursor to a label; nothing typed: to the next one with the last text."""
        found = list(self.session.places.search(text or self._last_search))
        if not found:
            self._say(f"no label with {text!r} in its name")
            return
        self._turn = self._turn + 1 if text in ("", self._last_search) else 0
        self._last_search = text or self._last_search
        name = found[self._turn % len(found)]
        row = self.view.listing.find(self.session.places.symbols[name])
        if row is None:
            self._say(
                f"{name} is at {self.session.places.symbols[name]:#x}: no code of this listing; m watches it"
            )
            return
        self._cursor = row
        self._say(f"{name}, {self._turn % len(found) + 1} of {len(found)}")
