"""Structs of system calls as strace prints them."""

from __future__ import annotations

import struct
import time as calendar

from toolkit.abi import files as f
from toolkit.abi import process as p
from toolkit.abi.signals import code_name
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.strace import names as n
from toolkit.kernel.strace.values import (
    Call,
    address,
    bytes_of,
    guarded,
    path,
    set_text,
    signal_text,
    signed,
    text,
)

VECTORS_SHOWN = 32
"""Elements of an array that strace prints."""


def file_mode(mode: int) -> str:
    """``S_IFREG|0644``."""
    parts = [n.FILE_TYPES.get(mode & f.S_IFMT, f"{mode & f.S_IFMT:#o}" if mode & f.S_IFMT else "")]
    parts += [
        name for bit, name in ((0o4000, "S_ISUID"), (0o2000, "S_ISGID"), (0o1000, "S_ISVTX")) if mode & bit
    ]
    rights = mode & 0o777
    parts.append(f"0{rights:o}" if rights >= 0o100 else f"{rights:03o}")
    return "|".join(part for part in parts if part)


def stat(call: Call, value: int) -> str:
    """struct stat: mode, and size or device."""
    if call.bits == 64:
        mode, device, size = struct.unpack("<24xI12xQq", call.read(value, 56))
    elif call.name.endswith("64") or call.name.startswith("fstatat"):
        mode, device, size = struct.unpack("<16xI12xQ4xq", call.read(value, 52))
    else:
        mode, device, size = struct.unpack("<8xH6xH2xI", call.read(value, 24))
    if mode & f.S_IFMT in (f.S_IFCHR, f.S_IFBLK):
        return f"{{st_mode={file_mode(mode)}, st_rdev={device_text(device)}, ...}}"
    return f"{{st_mode={file_mode(mode)}, st_size={size}, ...}}"


def device_text(device: int) -> str:
    """``makedev(0x1, 0x3)``."""
    major = device >> 8 & 0xFFF | device >> 32 & ~0xFFF
    minor = device & 0xFF | device >> 12 & ~0xFF & 0xFFFFFFFF
    return f"makedev({major:#x}, {minor:#x})" if major else f"makedev(0, {minor:#x})"


def statx(call: Call, value: int) -> str:
    """struct statx."""
    mask, attributes, mode, size = struct.unpack("<I4xQ12xH10xQ", call.read(value, 48))
    shown = n.STATX_MASK.text(mask)
    return (
        f"{{stx_mask={shown}, stx_attributes={n.STATX_ATTRIBUTES.text(attributes)}, "
        f"stx_mode={file_mode(mode)}, stx_size={size}, ...}}"
    )


def _wide(call: Call) -> bool:
    """Whether times of this call are two 64-bit numbers."""
    return call.bits == 64 or "time64" in call.name or call.name.endswith("64")


def _pair(call: Call, value: int) -> tuple[int, int]:
    layout = "<qq" if _wide(call) else "<ii"
    first, second = struct.unpack(layout, call.read(value, struct.calcsize(layout)))
    return first, second


def timespec(call: Call, value: int) -> str:
    """struct timespec."""
    if not value:
        return "NULL"
    seconds, rest = _pair(call, value)
    return f"{{tv_sec={seconds}, tv_nsec={rest}}}"


def timeval(call: Call, value: int) -> str:
    """struct timeval."""
    if not value:
        return "NULL"
    seconds, rest = _pair(call, value)
    return f"{{tv_sec={seconds}, tv_usec={rest}}}"


def time_pair(call: Call, value: int) -> str:
    """utimensat's two times."""
    if not value:
        return "NULL"
    texts = []
    for index in range(2):
        seconds, rest = _pair(call, value + index * (16 if _wide(call) else 8))
        if rest in n.UTIME:
            texts.append(n.UTIME[rest])
            continue
        stamp = calendar.strftime("%Y-%m-%dT%H:%M:%S", calendar.gmtime(seconds))
        fraction = f".{rest:09d}" if rest else ""
        texts.append(f"{{tv_sec={seconds}, tv_nsec={rest}}} /* {stamp}{fraction}+0000 */")
    return f"[{', '.join(texts)}]"


def interval(call: Call, value: int) -> str:
    """struct itimerval, itimerspec."""
    if not value:
        return "NULL"
    print_one = timespec if call.name.startswith("timer") else timeval
    width = 16 if _wide(call) else 8
    return f"{{it_interval={print_one(call, value)}, it_value={print_one(call, value + width)}}}"


def signal_action(call: Call, value: int) -> str:
    """struct kernel_sigaction."""
    if not value:
        return "NULL"
    if call.name == "sigaction":
        handler, mask, flags, restorer = call.words(value, 4)
        count = 32
    else:
        handler, flags, restorer = call.words(value, 3)
        mask = call.number(value + 3 * call.word, 8, signed=False)
        count = 64
    shown = {0: "SIG_DFL", 1: "SIG_IGN"}.get(handler) or f"{handler:#x}"
    head = f"{{sa_handler={shown}, sa_mask={set_text(mask, count)}, sa_flags={n.SIGNAL_FLAGS.text(flags)}"
    return head + (f", sa_restorer={restorer:#x}}}" if flags & 0x04000000 else "}")


def alternate_stack(call: Call, value: int) -> str:
    """stack_t."""
    if not value:
        return "NULL"
    start, flags, size = call.words(value, 3)
    return (
        f"{{ss_sp={address(call, start)}, ss_flags={n.STACK_FLAGS.text(flags & 0xFFFFFFFF)}, ss_size={size}}}"
    )


def vectors(call: Call, value: int, *, shown: int | None = None) -> str:
    """struct iovec[]; `shown` bytes hold something when the call has filled them, none when it has failed."""
    count = signed(call.raw[2])
    if count <= 0 or not value:
        return "[]" if value and count == 0 else address(call, value)
    texts = []
    for start, length in _iovecs(call, value, min(count, VECTORS_SHOWN)):
        filled = length if shown is None else min(shown, length)
        shown = None if shown is None else shown - filled
        content = f"{start:#x}" if call.failed else _content(call, start, filled)
        texts.append(f"{{iov_base={content}, iov_len={length}}}")
    return f"[{', '.join(texts)}{', ...' if count > VECTORS_SHOWN else ''}]"


def _content(call: Call, start: int, length: int) -> str:
    try:
        return bytes_of(call, start, length)
    except SyscallError:
        return address(call, start)


def _iovecs(call: Call, value: int, count: int) -> list[tuple[int, int]]:
    numbers = call.words(value, 2 * count)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def filled_vectors(call: Call, value: int) -> str:
    """The same of readv."""
    return vectors(call, value, shown=call.result or 0)


def limit_text(value: int, bits: int) -> str:
    """``8192*1024``."""
    if value == (1 << bits) - 1:
        return "RLIM64_INFINITY" if bits == 64 else "RLIM_INFINITY"
    return f"{value // 1024}*1024" if value > 1024 and value % 1024 == 0 else str(value)


def limits(call: Call, value: int) -> str:
    """struct rlimit."""
    if not value:
        return "NULL"
    wide = call.name == "prlimit64"
    width = 8 if wide or call.bits == 64 else 4
    soft, hard = (call.number(value + at, width, signed=False) for at in (0, width))
    texts = [limit_text(each, 8 * width) for each in (soft, hard)]
    return f"{{rlim_cur={texts[0]}, rlim_max={texts[1]}}}"


def wait_status(status: int) -> str:
    """``WIFEXITED(s) && WEXITSTATUS(s) == 3``."""
    if status == 0xFFFF:
        return "WIFCONTINUED(s)"
    if status & 0xFF == 0x7F:
        return f"WIFSTOPPED(s) && WSTOPSIG(s) == {signal_text(status >> 8 & 0xFF)}"
    if status & 0x7F:
        core = " && WCOREDUMP(s)" if status & p.CORE_BIT else ""
        return f"WIFSIGNALED(s) && WTERMSIG(s) == {signal_text(status & 0x7F)}{core}"
    return f"WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}"


def status_pointer(call: Call, value: int) -> str:
    """wait's status; an address while there is none."""
    if not value or not call.result:
        return address(call, value)
    return f"[{{{wait_status(call.number(value, signed=False))}}}]"


def usage(call: Call, value: int) -> str:
    """struct rusage."""
    if not value or (call.name == "wait4" and not call.result):
        return address(call, value)
    width = 16 if call.bits == 64 else 8
    return f"{{ru_utime={timeval(call, value)}, ru_stime={timeval(call, value + width)}, ...}}"


def child_info(call: Call, value: int) -> str:
    """waitid's siginfo_t."""
    if not value:
        return "NULL"
    number, _, code = struct.unpack("<3i", call.read(value, 12))
    if not number:
        return "{}"
    at = value + (16 if call.bits == 64 else 12)
    pid, uid, status = struct.unpack("<3i", call.read(at, 12))
    shown = str(status) if code == 1 else signal_text(status & 0x7F)
    name = n.CHILD_CODES.get(code, str(code))
    return f"{{si_signo=SIGCHLD, si_code={name}, si_pid={pid}, si_uid={uid}, si_status={shown}, si_utime=0, si_stime=0}}"


def signal_info(call: Call, value: int) -> str:
    """siginfo_t of signals that programs send."""
    number, _, code = struct.unpack("<3i", call.read(value, 12))
    at = value + (16 if call.bits == 64 else 12)
    pid, uid = struct.unpack("<iI", call.read(at, 8))
    parts = [f"si_signo={signal_text(number)}", f"si_code={code_name(number, code)}"]
    parts += [f"si_pid={pid}", f"si_uid={uid}"]
    if code == -1:
        data = call.words(at + 8, 1)[0]
        parts += [f"si_int={signed(data)}", f"si_ptr={address(call, data)}"]
    return "{" + ", ".join(parts) + "}"


def polled(call: Call, value: int) -> str:
    """struct pollfd[] as it was asked."""
    count = call.raw[1] & 0xFFFFFFFF
    texts = []
    for index in range(min(count, VECTORS_SHOWN)):
        fd, events, _ = struct.unpack("<iHH", call.read(value + 8 * index, 8))
        shown = f", events={n.POLL.text(events)}" if fd >= 0 else ""
        texts.append(f"{{fd={fd}{shown}}}")
    return f"[{', '.join(texts)}]" if count else address(call, value)


def poll_result(call: Call) -> str:
    """What poll found: ``([{fd=6, revents=POLLOUT}])``."""
    if call.result == 0:
        return "Timeout"
    texts = []
    for index in range(min(call.raw[1] & 0xFFFFFFFF, VECTORS_SHOWN)):
        fd, _, found = struct.unpack("<iHH", call.read(call.raw[0] + 8 * index, 8))
        if found and fd >= 0:
            texts.append(f"{{fd={fd}, revents={n.POLL.text(found)}}}")
    timeout = ""
    if call.name.startswith("ppoll") and call.raw[2]:
        timeout = f", left {timespec(call, call.raw[2])}"
    return f"[{', '.join(texts)}]{timeout}"


def descriptor_set(call: Call, value: int) -> str:
    """fd_set."""
    if not value:
        return "NULL"
    count = max(min(signed(call.raw[0]), 1024), 0)
    mask = int.from_bytes(call.read(value, (count + 7) // 8), "little")
    return "[" + " ".join(str(fd) for fd in range(count) if mask >> fd & 1) + "]"


def select_result(call: Call) -> str:
    """``in [1], left {tv_sec=0, tv_nsec=998638}``."""
    if call.result == 0:
        return "Timeout"
    texts = []
    for index, word in ((1, "in"), (2, "out"), (3, "except")):
        shown = descriptor_set(call, call.raw[index]) if call.raw[index] else "[]"
        if shown != "[]":
            texts.append(f"{word} {shown}")
    if call.raw[4]:
        left = timespec if call.name.startswith("pselect6") else timeval
        texts.append(f"left {left(call, call.raw[4])}")
    return ", ".join(texts)


def mask_and_size(call: Call, value: int) -> str:
    """pselect6's last argument."""
    if not value:
        return "NULL"
    mask, length = call.words(value, 2)
    shown = set_text(call.number(mask, 8, signed=False)) if mask else "NULL"
    return f"{{sigmask={shown}, sigsetsize={length}}}"


def epoll_event(call: Call, value: int) -> str:
    """struct epoll_event."""
    if not value:
        return "NULL"
    events, low = struct.unpack("<II", call.read(value, 8))
    data = call.number(value + 4, 8, signed=False)
    return f"{{events={n.EPOLL.text(events)}, data={{u32={low}, u64={data}}}}}"


def epoll_events(call: Call, value: int) -> str:
    """What epoll_wait found."""
    count = call.result or 0
    return "[" + ", ".join(epoll_event(call, value + 12 * index) for index in range(count)) + "]"


def strings(call: Call, value: int) -> str:
    """execve's argv."""
    if not value:
        return "NULL"
    texts = []
    for index in range(VECTORS_SHOWN + 1):
        pointer = call.words(value + index * call.word, 1)[0]
        if not pointer:
            break
        if index == VECTORS_SHOWN:
            texts.append("...")
            break
        texts.append(guarded(text, call, pointer))
    return f"[{', '.join(texts)}]"


def counted_strings(call: Call, value: int) -> str:
    """execve's envp: ``0x7ffc12345678 /* 3 vars */``."""
    if not value:
        return "NULL"
    count = 0
    while call.words(value + count * call.word, 1)[0]:
        count += 1
    return f"{value:#x} /* {count} var{'' if count == 1 else 's'} */"


def names_of_system(call: Call, value: int) -> str:
    """struct utsname."""
    system, node = (call.thread.memory.read_string(value + at, 65) for at in (0, 65))
    return f'{{sysname="{system.decode()}", nodename="{node.decode()}", ...}}'


def system_numbers(call: Call, value: int) -> str:
    """struct sysinfo."""
    layout = struct.Struct("<q3Q6QH6xQQI" if call.bits == 64 else "<i3I6IH2xIII")
    names = "uptime loads totalram freeram sharedram bufferram totalswap freeswap procs totalhigh freehigh mem_unit"
    numbers = list(layout.unpack(call.read(value, layout.size)))
    numbers[1:4] = [f"[{', '.join(str(each) for each in numbers[1:4])}]"]
    return "{" + ", ".join(f"{a}={b}" for a, b in zip(names.split(), numbers, strict=True)) + "}"


def clock_ticks(call: Call, value: int) -> str:
    """struct tms."""
    names = ("tms_utime", "tms_stime", "tms_cutime", "tms_cstime")
    pairs = zip(names, call.words(value, 4), strict=True)
    return "{" + ", ".join(f"{name}={number}" for name, number in pairs) + "}" if value else "NULL"


def semaphore_operations(call: Call, value: int) -> str:
    """struct sembuf[]."""
    count = call.raw[2] & 0xFFFFFFFF
    if not value or not count:
        return address(call, value)
    texts = []
    for index in range(min(count, VECTORS_SHOWN)):
        number, change, flags = struct.unpack("<Hhh", call.read(value + 6 * index, 6))
        texts.append(
            f"{{sem_num={number}, sem_op={change}, sem_flg={n.SEMAPHORE_FLAGS.text(flags & 0xFFFF)}}}"
        )
    return f"[{', '.join(texts)}]"


def message(call: Call, value: int) -> str:
    """struct msgbuf."""
    length = call.raw[2]
    if call.name == "msgrcv" and call.result is not None:
        length = call.raw[2]
    kind = call.number(value, call.word)
    return f"{{mtype={kind}, mtext={bytes_of(call, value + call.word, length)}}}"


def segment_state(call: Call, value: int) -> str:
    """struct shmid64_ds."""
    if call.bits != 64:
        return address(call, value)
    key, uid, gid, cuid, cgid, mode = struct.unpack("<iIIIII", call.read(value, 24))
    size, a, d, c, creator, last, count = struct.unpack("<Q3q2iQ", call.read(value + 48, 48))
    return (
        f"{{shm_perm={{uid={uid}, gid={gid}, mode={mode:#04o}, key={key}, cuid={cuid}, cgid={cgid}}}, "
        f"shm_segsz={size}, shm_cpid={creator}, shm_lpid={last}, shm_nattch={count}, "
        f"shm_atime={a}, shm_dtime={d}, shm_ctime={c}}}"
    ).replace("mode=0o", "mode=0")


def entries(call: Call, value: int) -> str:
    """getdents64's buffer: ``0x55… /* 7 entries */``."""
    data, count, at = call.read(value, call.result or 0), 0, 0
    where = 16 if call.name == "getdents64" else 2 * call.word
    while at < len(data):
        at += int.from_bytes(data[at + where : at + where + 2], "little")
        count += 1
    return f"{value:#x} /* {count} entries */"


def clone3_arguments(call: Call, value: int) -> str:
    """struct clone_args."""
    fields = struct.unpack("<8Q", call.read(value, 64))
    flags, _, child, parent, signal, stack, size, tls = fields
    texts = [f"flags={n.CLONE.text(flags)}"]
    if flags & (p.CLONE_CHILD_SETTID | p.CLONE_CHILD_CLEARTID):
        texts.append(f"child_tid={address(call, child)}")
    if flags & p.CLONE_PARENT_SETTID:
        texts.append(f"parent_tid={address(call, parent)}")
    texts.append(f"exit_signal={signal_text(signal) if signal else 0}")
    texts += [f"stack={address(call, stack)}", f"stack_size={size:#x}" if size else "stack_size=0"]
    if flags & p.CLONE_SETTLS:
        texts.append(f"tls={address(call, tls)}")
    return "{" + ", ".join(texts) + "}"


def clone3_answer(call: Call, value: int) -> str:
    """The same, with what the kernel wrote."""
    asked = clone3_arguments(call, value)
    flags, _, _, parent = struct.unpack("<4Q", call.read(value, 32))
    if flags & p.CLONE_PARENT_SETTID and not call.failed:
        return f"{asked} => {{parent_tid=[{call.number(parent)}]}}"
    return asked


def path_or_null(call: Call, value: int) -> str:
    """A path that may be missing."""
    return path(call, value)


def user_area(call: Call, value: int) -> str:
    """struct user_desc."""
    entry, base, limit, flags = struct.unpack("<4I", call.read(value, 16))
    number = "-1" if entry == 0xFFFFFFFF else str(entry)
    names = ("seg_32bit", None, "read_exec_only", "limit_in_pages", "seg_not_present", "useable")
    parts = [
        f"entry_number={number}",
        f"base_addr={base:#x}" if base else "base_addr=0",
        f"limit=0x{limit:06x}",
    ]
    for bit, name in enumerate(names):
        if name is not None:
            place = bit if bit == 0 else bit + 1
            parts.append(f"{name}={flags >> place & 1}")
        elif bit == 1:
            parts.append(f"contents={flags >> 1 & 3}")
    return "{" + ", ".join(parts) + "}"
