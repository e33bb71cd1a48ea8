"""One instruction into bytes: match a form, encode it, fill in the values. The only importer of Keystone.

``encode`` is what layout calls for each line of each pass. The instruction's shape (mnemonic, registers, sizes, what its
numbers fit into) selects a cached template; only values are filled in then, so a shape met before costs microseconds.

Templates come from a ``Backend``: the table-driven encoder, which can do everything and needs nothing, or Keystone with
the table beside it. Both make the same bytes; ``auto`` is Keystone where its library loads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from toolkit.asm.encoder_errors import MESSAGES, EncodeError, Mismatch
from toolkit.asm.encoder_explain import explain
from toolkit.asm.encoder_fill import fill
from toolkit.asm.encoder_match import find_form
from toolkit.asm.encoder_operands import Prepared, prepare
from toolkit.asm.encoder_shape import Shape, shape_of
from toolkit.asm.encoder_table import Template, build_template, prefix_bytes
from toolkit.asm.instructions import Form, PrefixSlot
from toolkit.asm.statement import Encoding, EncodingContext, Instruction, Value

__all__ = ["Backend", "EncodeError", "KeystoneUnavailableError", "choose_encoder", "encode", "encoder_name"]

_CACHE_LIMIT = 50_000  # templates; a larger cache is emptied
_BOUND_DROPPED = "jmp short does not init bnd regs - bnd prefix dropped [-w+prefix-bnd]"


class KeystoneUnavailableError(RuntimeError):
    """Keystone was asked for by name and its library does not load here."""


class Backend(Protocol):
    """What turns a matched form into a template."""

    @property
    def name(self) -> str:
        """``table`` or ``keystone``."""
        ...

    def translate(self, form: Form, prepared: Prepared, context: EncodingContext) -> Template:
        """The template of ``prepared`` by ``form``. Raises EncodeError for what can't be encoded."""


class TableBackend:
    """The table-driven encoder alone."""

    name = "table"

    def translate(self, form: Form, prepared: Prepared, context: EncodingContext) -> Template:
        return build_template(form, prepared, context.default_bound_relative, context.cpu)


@dataclass
class Tally:
    """How Keystone did: questions, answers that are the matched form's bytes, other bytes, refusals.

    ``misread``: answers with the right bytes in which Capstone reads other registers than were asked for.
    """

    asked: int = 0
    agreed: int = 0
    differed: int = 0
    refused: int = 0
    misread: int = 0


class KeystoneBackend:
    """Keystone's answer where it is the matched form's encoding, else the table's bytes.

    One engine for each thread and mode: a shared one crashes. Raises KeystoneUnavailableError where the library does not load.
    """

    name = "keystone"

    def __init__(self) -> None:
        try:
            import keystone
        except Exception as error:  # the sdist can install a package without its library
            raise KeystoneUnavailableError(f"Keystone does not load: {error}") from error
        self._keystone: Any = keystone
        self._engines = threading.local()
        self.tally = Tally()
        try:
            self._ask("nop", 64)
        except keystone.KsError as error:
            raise KeystoneUnavailableError(f"Keystone does not work: {error}") from error

    def translate(self, form: Form, prepared: Prepared, context: EncodingContext) -> Template:
        from toolkit.asm.encoder_keystone import whitelist

        template = build_template(form, prepared, context.default_bound_relative, context.cpu)
        if form.mnemonic in whitelist():
            self.consult(prepared, template)
        return template

    def consult(self, prepared: Prepared, template: Template) -> None:
        """Ask, and compare. An agreeing answer is the template already; any other is passed over for the table's."""
        from toolkit.asm import encoder_keystone

        text = encoder_keystone.question(prepared, template)
        if text is None:
            return
        self.tally.asked += 1
        try:
            answer = self._ask(text, prepared.bits)
        except self._keystone.KsError:
            self.tally.refused += 1
            return
        if not encoder_keystone.agrees(answer, prepared, template):
            self.tally.differed += 1
            return
        self.tally.agreed += 1
        if not self._reads_as(text, answer, prepared.bits):
            self.tally.misread += 1

    def _ask(self, text: str, bits: int) -> bytes:
        engine = getattr(self._engines, f"ks{bits}", None)
        if engine is None:
            mode = getattr(self._keystone, f"KS_MODE_{bits}")
            engine = self._keystone.Ks(self._keystone.KS_ARCH_X86, mode)
            setattr(self._engines, f"ks{bits}", engine)
        data, _ = engine.asm(text, 0, True)
        return bytes(data or b"")

    def _reads_as(self, text: str, answer: bytes, bits: int) -> bool:
        """Whether Capstone reads one instruction in the answer, with the registers that were asked for."""
        import capstone

        from toolkit.asm.encoder_keystone import registers_named

        decoder = getattr(self._engines, f"cs{bits}", None)
        if decoder is None:
            decoder = capstone.Cs(capstone.CS_ARCH_X86, getattr(capstone, f"CS_MODE_{bits}"))
            setattr(self._engines, f"cs{bits}", decoder)
        read = list(decoder.disasm_lite(answer, 0))
        if len(read) != 1 or read[0][1] != len(answer):
            return False
        asked = registers_named(text)
        return asked <= registers_named(f"{read[0][2]} {read[0][3]}") | {"st(0)"}


class AutomaticBackend:
    """Keystone for the mnemonics that need it on this machine: those it may be asked about and was not yet compared on.

    For the mnemonics in keystone_compared.txt the comparison was made in advance, over all their forms in three modes
    (tests/asm/keystone_whitelist.py), so that a first program need not wait for two libraries to load.
    """

    def __init__(self) -> None:
        self._keystone: KeystoneBackend | None = None
        self._missing = False

    @property
    def name(self) -> str:
        """``keystone`` where its library loads, else ``table``."""
        return "table" if self._loaded() is None else "keystone"

    def translate(self, form: Form, prepared: Prepared, context: EncodingContext) -> Template:
        template = build_template(form, prepared, context.default_bound_relative, context.cpu)
        if form.mnemonic not in _compared() and not self._missing:
            from toolkit.asm.encoder_keystone import whitelist

            keystone = self._loaded() if form.mnemonic in whitelist() else None
            if keystone is not None:
                keystone.consult(prepared, template)
        return template

    def _loaded(self) -> KeystoneBackend | None:
        if self._keystone is None and not self._missing:
            try:
                self._keystone = KeystoneBackend()
            except KeystoneUnavailableError:
                self._missing = True
        return self._keystone


@cache
def _compared() -> frozenset[str]:
    path = Path(__file__).with_name("instructions") / "keystone_compared.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith(";") for name in line.split())


class _State:
    """The back end in use and its templates; those once chosen are kept, for programs that switch."""

    def __init__(self) -> None:
        self.backend: Backend | None = None
        self.templates: dict[Shape, Template] = {}
        self.chosen: dict[str, tuple[Backend, dict[Shape, Template]]] = {}


_state = _State()


def choose_encoder(name: str = "auto") -> Backend:
    """Choose the back end for this process: ``auto``, ``keystone`` or ``table``; return it. Choosing again costs nothing.

    ``auto`` is Keystone where its library loads, and what TOOLKIT_ENCODER says where that is set. Raises
    KeystoneUnavailableError for ``keystone`` where it does not load, ValueError for another name.
    """
    if name == "auto":
        name = os.environ.get("TOOLKIT_ENCODER") or "auto"
    if name not in _state.chosen:
        _state.chosen[name] = (_make(name), {})
    _state.backend, _state.templates = _state.chosen[name]
    return _state.backend


def _make(name: str) -> Backend:
    if name == "table":
        return TableBackend()
    if name == "keystone":
        return KeystoneBackend()
    if name != "auto":
        raise ValueError(f"unknown encoder {name!r}: auto, keystone or table")
    return AutomaticBackend()


def use(backend: Backend) -> Backend:
    """Make ``backend`` the one ``encode`` asks, with no templates yet."""
    _state.backend, _state.templates = backend, {}
    return backend


def encoder_name() -> str:
    """The back end in use, ``keystone`` or ``table``; chosen now if none was."""
    return (_state.backend or choose_encoder()).name


def encode(instruction: Instruction, context: EncodingContext) -> Encoding:
    """The bytes of ``instruction`` as nasm 2.16.01 writes them, and the fields that await addresses.

    A line of prefixes without a mnemonic is their bytes. Raises EncodeError for what nasm refuses.
    """
    if not instruction.mnemonic:
        return _prefixes_alone(instruction, context)
    shape, values = shape_of(instruction, context)
    template = _state.templates.get(shape)
    if template is None:
        template = _remember(shape, _build(instruction, context, True))
    if not template.form.relaxable:
        return fill(template, values, context)
    return _relax(instruction, context, (shape, template), values)


def _remember(shape: Shape, template: Template) -> Template:
    if len(_state.templates) >= _CACHE_LIMIT:
        _state.templates.clear()
    _state.templates[shape] = template
    return template


def _relax(
    instruction: Instruction, context: EncodingContext, short: tuple[Shape, Template], values: Sequence[Value]
) -> Encoding:
    """nasm's jmp_match(): the short form where the target is within a signed byte of the instruction's end."""
    shape, template = short
    target = values[0]
    if target.unknown:  # in a first pass, be optimistic
        return fill(template, values, context)
    near = (*shape, "near")
    if context.section is not None and target.terms == ((context.section, 1),) and target.wrt is None:
        distance = target.constant - context.offset - len(template.data)
        if -128 <= distance <= 127:
            if template.form.relaxable == "jmp8" and "bnd" in instruction.prefixes:
                return _without_bound(instruction, context, values)
            return fill(template, values, context)
    template = _state.templates.get(near) or _remember(near, _build(instruction, context, False))
    return fill(template, values, context)


def reach_sizes(instruction: Instruction, context: EncodingContext) -> tuple[int, int] | None:
    """The bytes of a jump to a target in reach of a signed byte, and of one further away; None where that makes no difference.

    Raises EncodeError where one of them can't be encoded.
    """
    shape, _ = shape_of(instruction, context)
    short = _state.templates.get(shape) or _remember(shape, _build(instruction, context, True))
    if not short.form.relaxable:
        return None
    far = (*shape, "near")
    near = _state.templates.get(far) or _remember(far, _build(instruction, context, False))
    return len(short.data), len(near.data)


def _without_bound(instruction: Instruction, context: EncodingContext, values: Sequence[Value]) -> Encoding:
    """A short jmp takes no bnd prefix; nasm drops it after having counted it."""
    prefixes = tuple(prefix for prefix in instruction.prefixes if prefix != "bnd")
    plain = Instruction(instruction.mnemonic, instruction.operands, prefixes)
    encoding = fill(_build(plain, context, True), values, context)
    encoding.warnings = (*encoding.warnings, _BOUND_DROPPED)
    return encoding


def _prefixes_alone(instruction: Instruction, context: EncodingContext) -> Encoding:
    warnings: list[str] = []
    prepared = prepare(instruction, context)
    if prepared.impossible_address:
        width = 16 if context.bits == 64 else 64
        said = "is not supported" if width == 16 else "is only supported"
        also = (f"error: {width}-bit addressing {said} in 64-bit mode",)
        raise EncodeError("address-sizes", "impossible combination of address sizes", also=also)
    encoding, repeat = prepared.prefixes[PrefixSlot.ENCODING], prepared.prefixes[PrefixSlot.REPEAT]
    for wrong in (encoding, repeat if repeat in ("bnd", "nobnd") else ""):
        if wrong:
            mismatch = Mismatch.ENCODING_PREFIX if wrong == encoding else Mismatch.BND_PREFIX
            raise EncodeError("bad-prefix", MESSAGES[mismatch].format(bits=context.bits, prefix=wrong))
    if prepared.prefixes[PrefixSlot.OPERAND_SIZE] == "o64" and context.bits != 64:
        raise EncodeError("not-in-this-mode", "invalid operands in non-64-bit mode")
    if repeat in ("xacquire", "xrelease"):
        warnings.append(f"{repeat} invalid with this instruction [-w+prefix-hle]")
    return Encoding(prefix_bytes(prepared, warnings), (), tuple(warnings))


def _build(instruction: Instruction, context: EncodingContext, allow_short: bool) -> Template:
    prepared = prepare(instruction, context)
    if prepared.impossible_address:
        raise _impossible_address(prepared, context)
    form = find_form(prepared, context.cpu, allow_short)
    if isinstance(form, Mismatch):
        raise _refusal(form, prepared, instruction, context)
    backend = _state.backend or choose_encoder()
    return backend.translate(form, prepared, context)


def _impossible_address(prepared: Prepared, context: EncodingContext) -> EncodeError:
    """The address sizes of the operands contradict; nasm goes on, and may refuse the address itself too."""
    also: tuple[str, ...] = ()
    form = find_form(prepared, context.cpu, True)
    if not isinstance(form, Mismatch):
        try:
            TableBackend().translate(form, prepared, context)
        except EncodeError as error:
            also = (f"error: {error.nasm_message}",)
    return EncodeError("address-sizes", "impossible combination of address sizes", also=also)


def _refusal(
    mismatch: Mismatch, prepared: Prepared, instruction: Instruction, context: EncodingContext
) -> EncodeError:
    prefix = prepared.prefixes[PrefixSlot.ENCODING]
    if mismatch in (Mismatch.BND_PREFIX, Mismatch.REPNE_PREFIX):
        prefix = prepared.prefixes[PrefixSlot.REPEAT]
    message = MESSAGES[mismatch].format(bits=prepared.bits, prefix=prefix)
    if mismatch is Mismatch.ENCODING_PREFIX and not prefix:
        message = "instruction not encodable without explicit prefix"
    return explain(mismatch, message, instruction, context)
