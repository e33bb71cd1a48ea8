"""The arithmetic flags: their names, and the conditions that jumps, moves and sets test (Intel SDM vol. 1, appendix B)."""

from __future__ import annotations

from collections.abc import Callable

FLAGS = {"CF": 0, "PF": 2, "AF": 4, "ZF": 6, "SF": 7, "DF": 10, "OF": 11}
"""Name → bit of rflags."""
MEANING = {
    "CF": "carry, or an unsigned result out of range",
    "PF": "an even number of ones in the lowest byte",
    "AF": "carry out of the low four bits",
    "ZF": "the result was zero",
    "SF": "the result was negative",
    "DF": "string instructions go downwards",
    "OF": "a signed result out of range",
}

Test = Callable[[dict[str, bool]], bool]

_CONDITIONS: tuple[tuple[str, str, Test], ...] = (
    ("o", "OF", lambda f: f["OF"]),
    ("b c nae", "CF", lambda f: f["CF"]),
    ("e z", "ZF", lambda f: f["ZF"]),
    ("be na", "CF ZF", lambda f: f["CF"] or f["ZF"]),
    ("s", "SF", lambda f: f["SF"]),
    ("p pe", "PF", lambda f: f["PF"]),
    ("l nge", "SF OF", lambda f: f["SF"] != f["OF"]),
    ("le ng", "ZF SF OF", lambda f: f["ZF"] or f["SF"] != f["OF"]),
)
_OPPOSITES = {
    "o": "no", "b": "ae", "c": "nc", "nae": "nb", "e": "ne", "z": "nz", "be": "a", "na": "nbe", "s": "ns",
    "p": "np", "pe": "po", "l": "ge", "nge": "nl", "le": "g", "ng": "nle",
}  # fmt: skip


def _table() -> dict[str, tuple[tuple[str, ...], Test]]:
    table: dict[str, tuple[tuple[str, ...], Test]] = {}
    for names, flags, test in _CONDITIONS:
        for name in names.split():
            table[name] = (tuple(flags.split()), test)
            table[_OPPOSITES[name]] = (tuple(flags.split()), lambda f, test=test: not test(f))  # type: ignore[misc]
    return table


CONDITIONS = _table()
"""Suffix of jcc, cmovcc, setcc → the flags that it looks at, and whether it holds."""


def decode(rflags: int) -> dict[str, bool]:
    """Each flag by name."""
    return {name: bool(rflags >> bit & 1) for name, bit in FLAGS.items()}


def condition(suffix: str, rflags: int) -> tuple[bool, str]:
    """Whether the condition holds, and by which flags: ``(True, "ZF = 1")``. Raises KeyError for what is no condition."""
    looked_at, test = CONDITIONS[suffix]
    flags = decode(rflags)
    return test(flags), ", ".join(f"{name} = {int(flags[name])}" for name in looked_at)


def changes(before: int, after: int) -> str:
    """``ZF set, CF cleared``; empty when nothing changed."""
    old, new = decode(before), decode(after)
    return ", ".join(
        f"{name} {'set' if new[name] else 'cleared'}" for name in FLAGS if old[name] != new[name]
    )
