"""Which submissions are alike: winnowed fingerprints of normalised instruction streams.

A source is read as its instructions: mnemonic and the *kinds* of its operands (register of so many bits, immediate, memory with
base/index, label), so that other names of registers, labels and other comments change nothing; `nop`s and the like are
left out, and a function is one stream, so that another order of functions changes little. The stream is cut into
k-grams, each hashed, and of each window of w hashes the smallest is kept (Schleimer, Wilkerson, Aiken: Winnowing, 2003): any
common run of k + w - 1 instructions is found. Fingerprints of the starter, the reference's common ground and what most
submissions share are left out.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

GRAM = 4  # instructions in a k-gram
WINDOW = 3  # k-grams in a window
COMMON_SHARE = 0.5  # a fingerprint in more than this share of the submissions says nothing
LEAST_SHARED = 3  # fingerprints: less is what any program has, such as printing a text and ending
FEWEST = 4  # submissions from which on shares are looked at

_REGISTER = re.compile(
    r"(?:r(?:ax|bx|cx|dx|si|di|bp|sp)|r(?:8|9|1[0-5])|(?:xmm|ymm|zmm)\d{1,2})$|"
    r"(e(?:ax|bx|cx|dx|si|di|bp|sp)|r(?:8|9|1[0-5])d)$|([abcd]x|si|di|bp|sp|r(?:8|9|1[0-5])w)$|"
    r"([abcd][lh]|sil|dil|bpl|spl|r(?:8|9|1[0-5])b)$"
)
_NOISE = frozenset({"nop", "fnop", "pause", "endbr64"})
_DATA = re.compile(r"(?:d[bwdqtoyz]|res[bwdqtoyz]|times|equ|align|incbin)$")
_SIZE = re.compile(r"\b(?:byte|word|dword|qword|short|near|rel|strict)\b")
_ALIASES = {"jz": "je", "jnz": "jne", "jc": "jb", "jnae": "jb", "jnc": "jae", "jnb": "jae", "jna": "jbe", "jnbe": "ja",
            "jnge": "jl", "jnl": "jge", "jng": "jle", "jnle": "jg", "sal": "shl", "retn": "ret"}  # fmt: skip


@dataclass(frozen=True)
class Token:
    """A normalised instruction and the line it stands on (from 1)."""

    text: str
    line: int


def normalise(source: str) -> list[list[Token]]:
    """A source's instruction streams, one for each function (label without a dot)."""
    streams: list[list[Token]] = [[]]
    for number, raw in enumerate(source.splitlines(), 1):
        line = _strip_comment(raw).strip().lower()
        label = re.match(r"([a-z_?.@$%][\w?.@$#~%]*)\s*:", line)
        if label:
            if not label[1].startswith("."):
                streams.append([])
            line = line[label.end() :].strip()
        token = _instruction(line)
        if token:
            streams[-1].append(Token(token, number))
    return [stream for stream in streams if stream]


def _strip_comment(line: str) -> str:
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == ";":
            return line[:index]
    return line


def _instruction(line: str) -> str | None:
    """``mov r64,imm``; None for directives, data and what does nothing."""
    if not line or line[0] in "%[":
        return None
    mnemonic, _, rest = line.partition(" ")
    if mnemonic in ("rep", "repe", "repz", "repne", "repnz", "lock"):
        inner = _instruction(rest.strip())
        return None if inner is None else f"{mnemonic} {inner}"
    if not mnemonic.isalnum() or mnemonic in _NOISE or _DATA.match(mnemonic):
        return None
    if mnemonic in ("section", "segment", "global", "extern", "default", "bits", "common", "static"):
        return None
    operands = [_kind(each) for each in _split(rest)] if rest.strip() else []
    if operands and _DATA.match(rest.strip().split(" ")[0]):
        return None
    if mnemonic in ("mov", "xchg", "lea") and len(operands) == 2 and _same(rest):
        return None
    return " ".join([_ALIASES.get(mnemonic, mnemonic), ",".join(operands)]).strip()


def _same(rest: str) -> bool:
    """``mov rax, rax`` and the like: padding."""
    parts = [part.strip() for part in _split(rest)]
    return len(parts) == 2 and parts[0] == parts[1]


def _split(text: str) -> list[str]:
    return [part for part in re.split(r",(?![^\[]*\])", text) if part.strip()]


def _kind(operand: str) -> str:
    operand = _SIZE.sub("", operand).strip()
    if "[" in operand:
        inside = operand[operand.find("[") + 1 : operand.rfind("]")]
        registers = [part for part in re.findall(r"[a-z]\w*", inside) if _REGISTER.match(part)]
        return f"mem{len(registers)}"
    found = _REGISTER.match(operand)
    if found:
        return "r32" if found[1] else "r16" if found[2] else "r8" if found[3] else "r64"
    if re.match(r"[-+~(]?\s*(?:\d|0x|\$\d|['\"`])", operand):
        return "imm"
    return "sym"


@dataclass(frozen=True)
class Fingerprints:
    """Hash → the lines of its first place, and the number of instructions behind them."""

    places: Mapping[int, tuple[int, int]]
    instructions: int


def fingerprint(source: str) -> Fingerprints:
    """The winnowed fingerprints of a source."""
    places: dict[int, tuple[int, int]] = {}
    count = 0
    for stream in normalise(source):
        count += len(stream)
        grams = _grams(stream)
        for start in range(max(1, len(grams) - WINDOW + 1)):
            window = grams[start : start + WINDOW]
            if window:
                value, index = min((value, -index) for value, index in window)
                places.setdefault(
                    value, (stream[-index].line, stream[min(-index + GRAM, len(stream)) - 1].line)
                )
    return Fingerprints(places, count)


def _grams(stream: Sequence[Token]) -> list[tuple[int, int]]:
    length = min(GRAM, len(stream))
    grams = []
    for index in range(len(stream) - length + 1):
        text = "\n".join(token.text for token in stream[index : index + length])
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        grams.append((int.from_bytes(digest, "little"), index))
    return grams


@dataclass(frozen=True)
class Pair:
    """Two submissions and how alike they are: 0 to 1, of the smaller one's fingerprints. ``lines``: matching (left, right) line ranges."""

    left: str
    right: str
    exercise: str
    similarity: float
    shared: int
    lines: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


def rank(
    sources: Mapping[str, str], exercise: str, starters: Iterable[str] = (), threshold: float = 0.5
) -> list[Pair]:
    """All pairs of names whose similarity reaches the threshold, the most alike first.

    What the ``starters`` have, and what more than half of the submissions have, is ignored; a pair needs at least
    three shared fingerprints of its own.
    """
    prints = {name: fingerprint(source) for name, source in sources.items()}
    ignored = {value for text in starters for value in fingerprint(text).places}
    counts = Counter(value for each in prints.values() for value in each.places)
    if len(prints) >= FEWEST:
        ignored |= {value for value, count in counts.items() if count > max(2, COMMON_SHARE * len(prints))}
    own = {name: set(each.places) - ignored for name, each in prints.items()}
    pairs = []
    for left, right in _candidates(own):
        shared = own[left] & own[right]
        smaller = min(len(own[left]), len(own[right]))
        similarity = len(shared) / smaller if smaller else 0.0
        if len(shared) >= LEAST_SHARED and similarity >= threshold:
            lines = sorted((prints[left].places[value], prints[right].places[value]) for value in shared)
            pairs.append(Pair(left, right, exercise, similarity, len(shared), tuple(lines)))
    return sorted(pairs, key=lambda pair: (-pair.similarity, -pair.shared, pair.left, pair.right))


def _candidates(own: Mapping[str, set[int]]) -> list[tuple[str, str]]:
    """Pairs that share anything at all, by an index from fingerprint to names."""
    index: dict[int, list[str]] = {}
    for name in sorted(own):
        for value in own[name]:
            index.setdefault(value, []).append(name)
    shared: Counter[tuple[str, str]] = Counter()
    for names in index.values():
        for position, left in enumerate(names):
            for right in names[position + 1 :]:
                shared[left, right] += 1
    return [pair for pair, count in shared.items() if count >= LEAST_SHARED]
