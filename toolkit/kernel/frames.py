"""Signal frames: what lies on the stack when a handler starts, byte for byte as the kernel writes it.

Layouts: arch/x86/include/asm/sigframe.h, uapi/asm/sigcontext.h and ucontext.h; the order of work is that of
arch/x86/kernel/signal.c, signal_64.c and signal_32.c. The CPU has no XSAVE, so the floating-point state is the
512-byte FXSAVE image, as on such a CPU.
"""

from __future__ import annotations

from struct import Struct, pack
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.signals import (
    SA_ONSTACK,
    SA_RESTORER,
    SA_SIGINFO,
    SI_QUEUE,
    SI_TIMER,
    SI_TKILL,
    SI_USER,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    Signal,
)
from toolkit.kernel.errors import SyscallError
from toolkit.machine.registers import (
    R8,
    RAX,
    RBP,
    RBX,
    RCX,
    RDI,
    RDX,
    RFLAGS,
    RIP,
    RSI,
    RSP,
)

if TYPE_CHECKING:
    from toolkit.kernel.signals import Action, SignalInfo
    from toolkit.kernel.task import Thread

MASK = (1 << 64) - 1
FXSAVE_SIZE = 512
LEGACY_FPU_SIZE = 112
RED_ZONE = 128
UC_SIGCONTEXT_SS = 2
UC_STRICT_RESTORE_SS = 4
FLAGS_FIXED = 0x50DD5
"""The flags a program may change through sigreturn: OF DF TF SF ZF AF PF CF AC RF (FIX_EFLAGS)."""
FLAGS_CLEARED = 0x400 | 0x10000 | 0x100

SIGCONTEXT_64 = Struct("<8Q10Q4H5Q64x")
UCONTEXT_64 = Struct("<QQQI4xQ256sQ")
SIGCONTEXT_32 = Struct("<4I11I7I")
UCONTEXT_32 = Struct("<IIIII88sQ")
FRAME_64_SIZE = 8 + UCONTEXT_64.size + 128
RT_FRAME_32_SIZE = 16 + 128 + UCONTEXT_32.size + 8
FRAME_32_SIZE = 8 + SIGCONTEXT_32.size + LEGACY_FPU_SIZE + FXSAVE_SIZE + 4 + 8


def siginfo(info: SignalInfo, bits: int) -> bytes:
    """The 128 bytes of siginfo_t."""
    if bits == 64:
        head = pack("<iii4x", info.signal, 0, info.code)
        word, time, gap = "Q", "q", "4x"
    else:
        head = pack("<iii", info.signal, 0, info.code)
        word, time, gap = "I", "i", ""
    mask = (1 << bits) - 1
    if info.fault is not None or (info.code > 0 and info.signal in FAULT_SIGNALS and info.code != 128):
        body = pack("<" + word, info.address & mask)
    elif info.signal == Signal.SIGCHLD and info.code > 0:
        body = pack(
            f"<iIi{gap}{time}{time}", info.pid, info.uid, info.status, info.user_time, info.system_time
        )
    elif info.code == SI_TIMER:
        body = pack("<ii" + word, info.timer, info.overrun, info.value & mask)
    elif info.code == SI_QUEUE or info.value:
        body = pack("<iI" + word, info.pid, info.uid, info.value & mask)
    elif info.code in (SI_USER, SI_TKILL):
        body = pack("<iI", info.pid, info.uid)
    else:
        body = pack("<" + word, info.address & mask)
    return (head + body).ljust(128, b"\0")


FAULT_SIGNALS = (Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGILL, Signal.SIGFPE, Signal.SIGTRAP)


def push(thread: Thread, info: SignalInfo, action: Action, mask: int) -> None:
    """Write the frame of a handler and point the registers at it. SyscallError(EFAULT) when it can't be written."""
    if thread.process.personality.bits == 64:
        push_64(thread, info, action, mask)
    elif action.flags & SA_SIGINFO:
        push_rt_32(thread, info, action, mask)
    else:
        push_32(thread, info, action, mask)


def on_alternate_stack(thread: Thread, sp: int) -> bool:
    """sas_ss_flags: whether `sp` lies on the alternate stack."""
    stack = thread.alternate_stack
    if stack.flags & SS_AUTODISARM:
        return False
    return stack.size != 0 and 0 <= sp - stack.address - 1 < stack.size


def stack_flags(thread: Thread, sp: int) -> int:
    """What sigaltstack reports in ss_flags."""
    if not thread.alternate_stack.size:
        return SS_DISABLE
    return SS_ONSTACK if on_alternate_stack(thread, sp) else 0


def frame_place(thread: Thread, action: Action, size: int, bits: int) -> tuple[int, int, int]:
    """get_sigframe(): addresses of the frame, of `fpstate` and of the FXSAVE image."""
    sp = thread.registers[RSP] if bits == 64 else thread.registers[RSP] & 0xFFFFFFFF
    nested = on_alternate_stack(thread, sp)
    if bits == 64:
        sp -= RED_ZONE
    entering = False
    stack = thread.alternate_stack
    if action.flags & SA_ONSTACK and stack_flags(thread, sp) == 0:
        sp = stack.address + stack.size
        entering = True
    fxsave = (sp - FXSAVE_SIZE) & ~63
    fpstate = fxsave if bits == 64 else fxsave - LEGACY_FPU_SIZE
    frame = fpstate - size
    frame = (frame & ~15) - 8 if bits == 64 else ((frame + 4) & ~15) - 4
    within = stack.address < frame <= stack.address + stack.size
    if (nested or entering) and not within:
        raise SyscallError(Errno.EFAULT)
    return frame, fpstate, fxsave


def push_64(thread: Thread, info: SignalInfo, action: Action, mask: int) -> None:
    """setup_rt_frame of x64_setup_rt_frame()."""
    if not action.flags & SA_RESTORER:
        raise SyscallError(Errno.EFAULT)
    frame, fpstate, fxsave = frame_place(thread, action, FRAME_64_SIZE, 64)
    v = thread.registers
    machine = thread.process.kernel.machine
    thread.memory.write(fxsave, machine.fpu_state())
    trap = thread.last_trap
    context = SIGCONTEXT_64.pack(
        *v[R8 : R8 + 8],
        *(v[index] for index in (RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP, RFLAGS)),
        0x33, 0, 0, 0x2B,
        trap.error_code, trap.vector, mask, trap.cr2, fpstate,
    )  # fmt: skip
    stack = thread.alternate_stack
    flags = stack_flags(thread, v[RSP]) | stack.flags & SS_AUTODISARM
    ucontext = UCONTEXT_64.pack(
        UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS, 0, stack.address, flags, stack.size, context, mask
    )
    details = siginfo(info, 64) if action.flags & SA_SIGINFO else b""
    thread.memory.write(frame, pack("<Q", action.restorer) + ucontext + details)
    enter(thread, action, frame)
    v[RDI] = info.signal
    v[RAX] = 0
    v[RSI] = frame + 8 + UCONTEXT_64.size
    v[RDX] = frame + 8


def enter(thread: Thread, action: Action, frame: int) -> None:
    """Point the thread at the handler with a fresh floating-point state."""
    v = thread.registers
    v[RIP] = action.handler
    v[RSP] = frame
    v[RFLAGS] &= ~FLAGS_CLEARED
    thread.process.kernel.machine.set_fpu_state(FRESH_FPU)
    thread.process.kernel.machine.forget_history()
    if thread.alternate_stack.flags & SS_AUTODISARM:
        thread.disarm_alternate_stack()


FRESH_FPU = pack("<HHBxHQQII", 0x37F, 0, 0, 0, 0, 0, 0x1F80, 0xFFFF).ljust(FXSAVE_SIZE, b"\0")


def pop_64(thread: Thread) -> int:
    """rt_sigreturn: restore everything from the frame at RSP; returns the restored RAX, signed.

    A frame that can't be read raises SyscallError(EFAULT), which the caller turns into SIGSEGV.
    """
    v = thread.registers
    frame = v[RSP] - 8
    _, _, sp, flags, size, context, mask = UCONTEXT_64.unpack(thread.memory.read(frame + 8, UCONTEXT_64.size))
    fields = SIGCONTEXT_64.unpack(context)
    thread.set_blocked(mask)
    for index in range(8):
        v[R8 + index] = fields[index]
    for index, value in zip((RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP), fields[8:17], strict=True):
        v[index] = value
    v[RFLAGS] = v[RFLAGS] & ~FLAGS_FIXED | fields[17] & FLAGS_FIXED
    restore_fpu(thread, fields[26])
    thread.restore_alternate_stack(sp, flags, size)
    return signed(v[RAX])


def restore_fpu(thread: Thread, fpstate: int) -> None:
    """fpu__restore_sig(): a null pointer means a fresh state."""
    machine = thread.process.kernel.machine
    image = thread.memory.read(fpstate, FXSAVE_SIZE) if fpstate else FRESH_FPU
    machine.set_fpu_state(image)
    machine.forget_history()


def signed(value: int) -> int:
    """A 64-bit register as the signed result of a call."""
    return value - (1 << 64) if value >> 63 else value


def context_32(thread: Thread, mask: int, fpstate: int) -> bytes:
    """struct sigcontext_32."""
    v = thread.registers
    trap = thread.last_trap
    selectors = thread.process.kernel.machine.selectors
    words = [v[index] & 0xFFFFFFFF for index in (RDI, RSI, RBP, RSP, RBX, RDX, RCX, RAX)]
    return SIGCONTEXT_32.pack(
        selectors["gs"], selectors["fs"], selectors["es"], selectors["ds"], *words, trap.vector, trap.error_code, v[RIP] & 0xFFFFFFFF,
        0x23, v[RFLAGS] & 0xFFFFFFFF, v[RSP] & 0xFFFFFFFF, 0x2B, fpstate, mask & 0xFFFFFFFF, trap.cr2 & 0xFFFFFFFF,
    )  # fmt: skip


def write_fpu_32(thread: Thread, fpstate: int, fxsave: int) -> None:
    """The legacy FSAVE image with magic 0, then the FXSAVE image."""
    image = thread.process.kernel.machine.fpu_state()
    legacy = legacy_fpu(image)
    thread.memory.write(fpstate, legacy)
    thread.memory.write(fxsave, image)


def legacy_fpu(image: bytes) -> bytes:
    """FSAVE's 108 bytes from an FXSAVE image, with status and magic behind them (convert_from_fxsr)."""
    control, status, abridged, _, ip, cs_op, dp, ds = Struct("<HHBxHIIII").unpack(image[:24])
    tag = 0
    for index in range(8):
        tag |= (0 if abridged >> index & 1 else 3) << (index * 2)
    registers = b"".join(image[32 + 16 * i : 42 + 16 * i] for i in range(8))
    head = pack(
        "<7I",
        control | 0xFFFF0000,
        status | 0xFFFF0000,
        tag | 0xFFFF0000,
        ip,
        cs_op & 0xFFFF,
        dp,
        ds | 0xFFFF0000,
    )
    return head + registers + pack("<HH", status, 0)


def restorer_32(thread: Thread, action: Action, name: str, inline: int) -> int:
    """Where a 32-bit handler returns to: SA_RESTORER, the vDSO's function, or the code in the frame."""
    if action.flags & SA_RESTORER:
        return action.restorer
    return thread.process.vdso_symbols.get(name, inline)


def push_32(thread: Thread, info: SignalInfo, action: Action, mask: int) -> None:
    """ia32_setup_frame(): the frame of handlers without SA_SIGINFO."""
    frame, fpstate, fxsave = frame_place(thread, action, FRAME_32_SIZE, 32)
    write_fpu_32(thread, fpstate, fxsave)
    code = bytes.fromhex("58b877000000cd80")
    retcode = frame + FRAME_32_SIZE - 8
    back = restorer_32(thread, action, "__kernel_sigreturn", retcode)
    unused = bytes(LEGACY_FPU_SIZE + FXSAVE_SIZE)
    body = pack("<II", back, info.signal) + context_32(thread, mask, fpstate) + unused
    thread.memory.write(frame, body + pack("<I", mask >> 32) + code)
    enter(thread, action, frame)
    v = thread.registers
    v[RAX], v[RDX], v[RCX] = info.signal, 0, 0


def push_rt_32(thread: Thread, info: SignalInfo, action: Action, mask: int) -> None:
    """ia32_setup_rt_frame()."""
    frame, fpstate, fxsave = frame_place(thread, action, RT_FRAME_32_SIZE, 32)
    write_fpu_32(thread, fpstate, fxsave)
    info_address, context_address = frame + 16, frame + 16 + 128
    stack = thread.alternate_stack
    flags = stack_flags(thread, thread.registers[RSP])
    ucontext = UCONTEXT_32.pack(
        0, 0, stack.address, flags, stack.size, context_32(thread, mask, fpstate), mask
    )
    back = restorer_32(thread, action, "__kernel_rt_sigreturn", frame + RT_FRAME_32_SIZE - 8)
    head = pack("<IIII", back, info.signal, info_address, context_address)
    code = bytes.fromhex("b8ad000000cd8000")
    thread.memory.write(frame, head + siginfo(info, 32) + ucontext + code)
    enter(thread, action, frame)
    v = thread.registers
    v[RAX], v[RDX], v[RCX] = info.signal, info_address, context_address


def pop_32(thread: Thread, real_time: bool) -> int:
    """sigreturn (119) and rt_sigreturn (173) of i386."""
    sp = thread.registers[RSP] & 0xFFFFFFFF
    if real_time:
        data = thread.memory.read(sp - 4 + 16 + 128, UCONTEXT_32.size)
        _, _, address, flags, size, context, mask = UCONTEXT_32.unpack(data)
        thread.restore_alternate_stack(address, flags, size)
    else:
        context = thread.memory.read(sp - 8 + 8, SIGCONTEXT_32.size)
        low = SIGCONTEXT_32.unpack(context)[20]
        high = thread.memory.read(sp - 8 + FRAME_32_SIZE - 12, 4)
        mask = low | int.from_bytes(high, "little") << 32
    thread.set_blocked(mask)
    fields = SIGCONTEXT_32.unpack(context)
    v = thread.registers
    for index, value in zip((RDI, RSI, RBP, RSP, RBX, RDX, RCX, RAX), fields[4:12], strict=True):
        v[index] = value
    v[RIP] = fields[14]
    v[RFLAGS] = v[RFLAGS] & ~FLAGS_FIXED | fields[16] & FLAGS_FIXED
    fpstate = fields[19]
    restore_fpu(thread, fpstate + LEGACY_FPU_SIZE if fpstate else 0)
    result = int(v[RAX]) & 0xFFFFFFFF
    return result - (1 << 32) if result >> 31 else result
