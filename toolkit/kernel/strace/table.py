"""How each system call's arguments are printed; the results: results.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.abi import files as f
from toolkit.kernel.strace import names as n
from toolkit.kernel.strace import structures as s
from toolkit.kernel.strace import values as v
from toolkit.kernel.strace.values import Call, Printer, signed

PRINTERS: dict[str, Printer] = {
    "int": v.integer, "uint": v.unsigned, "long": v.long, "size": v.size, "hex": v.word, "hex32": v.word32,
    "ptr": v.address, "fd": v.descriptor, "mode": v.octal, "path": v.path, "str": v.text, "buf": v.buffer_of_next,
    "out": v.buffer_of_result, "random": v.random_bytes, "int*": v.pointer_to_int, "int[2]": v.pair_of_ints,
    "word*": v.pointer_to_word, "sig": v.signal, "sigset": v.signal_set,
    "stat": s.stat, "statx": s.statx, "timespec": s.timespec, "timeval": s.timeval, "times": s.time_pair,
    "interval": s.interval, "sigaction": s.signal_action, "stack": s.alternate_stack, "iov": s.vectors,
    "iovout": s.filled_vectors, "rlimit": s.limits, "status": s.status_pointer, "rusage": s.usage,
    "siginfo": s.child_info, "pollfds": s.polled, "fdset": s.descriptor_set, "sigmask": s.mask_and_size,
    "epoll": s.epoll_event, "epolls": s.epoll_events, "strings": s.strings, "vars": s.counted_strings,
    "utsname": s.names_of_system, "sysinfo": s.system_numbers, "tms": s.clock_ticks, "sembufs": s.semaphore_operations,
    "msg": s.message, "dirents": s.entries, "clone3": s.clone3_answer, "user_desc": s.user_area,
    "prot": n.PROTECTION, "mremap": n.REMAP, "msync": n.SYNC, "madvise": n.ADVICE, "mcl": n.LOCK_ALL,
    "whence": n.WHENCE, "access": n.ACCESS, "at": n.AT_FLAGS, "at_access": n.AT_ACCESS, "at_remove": n.AT_REMOVE,
    "statx_mask": n.STATX_MASK, "how": n.HOW, "resource": n.RESOURCE, "who": n.USAGE_OF, "wait": n.WAIT,
    "wait4": n.WAIT4, "idtype": n.ID_TYPE, "clock": n.CLOCK, "abstime": n.TIMER_FLAGS, "itimer": n.ITIMER,
    "arch": n.ARCH_PRCTL, "grnd": n.RANDOM, "mfd": n.MEMFD, "efd": n.EVENT, "tfd": n.TIMER_FD, "sfd": n.SIGNAL_FD,
    "epoll_create": n.EPOLL_CREATE, "epoll_op": n.EPOLL_OPERATION, "rename": n.RENAME, "fallocate": n.FALLOCATE,
    "membarrier": n.MEMBARRIER, "shmat": n.SHM_ATTACH, "msgflg": n.MESSAGE_FLAGS,
}  # fmt: skip


def printer(function: Printer) -> Printer:
    """Make a function of this module a printer of the table, under its name."""
    PRINTERS[function.__name__] = function
    return function


@printer
def open_flags(call: Call, value: int) -> str:
    """O_ flags: the access mode, then the others."""
    access = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")[value & f.O_ACCMODE]
    rest = n.OPEN_EXTRA.text(value & 0xFFFFFFFF & ~f.O_ACCMODE)
    return access if rest == "0" else f"{access}|{rest}"


@printer
def pipe_flags(call: Call, value: int) -> str:
    """O_ flags without an access mode."""
    return n.OPEN_EXTRA.text(value & 0xFFFFFFFF)


@printer
def map_flags(call: Call, value: int) -> str:
    """MAP_ flags: the kind, then the others."""
    kinds = {1: "MAP_SHARED", 2: "MAP_PRIVATE", 3: "MAP_SHARED_VALIDATE", 8: "MAP_DROPPABLE"}
    kind = kinds.get(value & 0xF, f"{value & 0xF:#x} /* MAP_??? */" if value & 0xF else "MAP_FILE")
    rest = n.MAP_EXTRA.text(value & ~0xF)
    return kind if rest == "0" else f"{kind}|{rest}"


@printer
def offset32(call: Call, value: int) -> str:
    """mmap2's offset in pages, shown in bytes."""
    return v.word(call, value << 12)


@printer
def statx_sync(call: Call, value: int) -> str:
    """statx's flags: how to synchronise, and AT_ flags."""
    sync = {0: "AT_STATX_SYNC_AS_STAT", 0x2000: "AT_STATX_FORCE_SYNC", 0x4000: "AT_STATX_DONT_SYNC"}
    rest = n.AT_FLAGS.text(value & ~0x6000)
    shown = sync.get(value & 0x6000, hex(value & 0x6000))
    return shown if rest == "0" else f"{shown}|{rest}"


@printer
def key(call: Call, value: int) -> str:
    """A System V key."""
    return v.word32(call, value) if value & 0xFFFFFFFF else "IPC_PRIVATE"


def _get_flags(flags: v.Flags) -> Printer:
    def show(call: Call, value: int) -> str:
        names = flags.text(value & 0xFFFFFFFF & ~0o777)
        rights = v.octal(call, value & 0o777)
        return f"{names}|{rights}" if names else rights

    return show


PRINTERS["shmget"] = _get_flags(n.SHM_GET)
PRINTERS["ipcget"] = _get_flags(n.IPC_GET)


def _command(choice: v.Choice) -> Printer:
    def show(call: Call, value: int) -> str:
        text = choice.text(signed(value) & ~0x100)
        return f"IPC_64|{text}" if value & 0x100 else text

    return show


PRINTERS["shmcmd"], PRINTERS["semcmd"], PRINTERS["msgcmd"] = map(
    _command, (n.SHM_COMMAND, n.SEM_COMMAND, n.MSG_COMMAND)
)


@printer
def shm_buffer(call: Call, value: int) -> str:
    """shmctl's last argument: the struct after IPC_STAT, else an address."""
    return (
        s.segment_state(call, value)
        if value and signed(call.raw[1]) & 0xFF in (2, 13)
        else v.address(call, value)
    )


@printer
def waited_info(call: Call, value: int) -> str:
    """sigtimedwait's siginfo_t."""
    return s.signal_info(call, value) if value else "NULL"


PRINTERS["queued_info"] = s.signal_info
Line = Callable[[Call], list[str]]
ALL = 99


TELLS: tuple[Printer, ...] = (s.filled_vectors,)
"""Printers that show something of a call that has failed."""


@dataclass(frozen=True)
class Signature:
    """The arguments of one call. `early` of them are printed before it is carried out; `line` replaces `printers`."""

    printers: tuple[Printer, ...] = ()
    late: frozenset[int] = frozenset()
    line: Line | None = None
    count: int = 0
    early: int = 0

    def begin(self, call: Call) -> list[str]:
        """The texts that are known before the call is carried out."""
        if self.line is not None:
            return self.line(call)[: self.early]
        return [self._text(call, index) for index in range(self.early)]

    def end(self, call: Call, begun: list[str]) -> list[str]:
        """All the texts, now that it has returned."""
        if self.early == ALL:
            return begun
        if self.line is not None:
            return begun + self.line(call)[len(begun) :]
        return begun + [self._text(call, index) for index in range(len(begun), len(self.printers))]

    def _text(self, call: Call, index: int) -> str:
        call.index = index
        value = call.raw[index]
        if (
            index >= self.early
            and (call.failed or call.result is None)
            and index in self.late
            and self.printers[index] not in TELLS
        ):
            return v.address(call, value)
        return v.guarded(self.printers[index], call, value)


def parse(text: str) -> Signature:
    """``parse("fd >out size")``."""
    words = text.split()
    late = frozenset(index for index, word in enumerate(words) if word.startswith(">"))
    printers = tuple(PRINTERS[word.lstrip(">")] for word in words)
    return Signature(printers, late, count=len(words), early=min(late, default=len(words)))


def variable(count: int, *, early: int = ALL) -> Callable[[Line], Line]:
    """Declare calls whose arguments depend on each other; their names begin the docstring.

    `early` of the texts are printed before the call is carried out.
    """

    def declare(line: Line) -> Line:
        for name in (line.__doc__ or "").partition(":")[0].split(", "):
            SIGNATURES[name] = Signature(line=line, count=count, early=early)
        return line

    return declare


SIGNATURES: dict[str, Signature] = {}


@variable(3)
def _open(call: Call) -> list[str]:
    """open: the mode only when a file may be made."""
    return [v.guarded(v.path, call, call.raw[0]), *_open_tail(call, call.raw[1], call.raw[2])]


@variable(4)
def _openat(call: Call) -> list[str]:
    """openat: the same below a directory."""
    head = [v.descriptor(call, call.raw[0]), v.guarded(v.path, call, call.raw[1])]
    return head + _open_tail(call, call.raw[2], call.raw[3])


def _open_tail(call: Call, flags: int, mode: int) -> list[str]:
    shown = [open_flags(call, flags)]
    if flags & (f.O_CREAT | 0o20000000):
        shown.append(v.octal(call, mode))
    return shown


@variable(5)
def _mremap(call: Call) -> list[str]:
    """mremap: the new address only with MREMAP_FIXED or MREMAP_DONTUNMAP."""
    old, old_size, new_size, flags, new = call.raw
    texts = [v.address(call, old), str(old_size), str(new_size), n.REMAP.text(flags)]
    return [*texts, v.address(call, new)] if flags & 6 else texts


@variable(3, early=0)
def _fcntl(call: Call) -> list[str]:
    """fcntl, fcntl64: the last argument by command."""
    fd, command, argument = call.raw
    number = signed(command)
    texts = [str(signed(fd)), n.FCNTL.get(number, f"{number:#x} /* F_??? */")]
    if number in (0, 1030, 1031, 9, 8, 10):
        texts.append(str(signed(argument)))
    elif number == 2:
        texts.append(n.DESCRIPTOR_FLAGS.text(argument))
    elif number == 4:
        texts.append(open_flags(call, argument))
    elif number in (5, 6, 7, 12, 13, 14):
        texts.append(v.address(call, argument))
    elif number not in (1, 3, 9, 11, 1032, 1034):
        texts.append(v.word(call, argument))
    return texts


@variable(3, early=0)
def _ioctl(call: Call) -> list[str]:
    """ioctl: what the argument is depends on the request."""
    fd, request, argument = call.raw
    texts = [str(signed(fd)), n.IOCTL.text(request & 0xFFFFFFFF)]
    if request in (0x5450, 0x5451):
        return texts
    if call.failed and request != 0x5421:
        return [*texts, v.address(call, argument)]
    if request in (0x541B, 0x5421, 0x540F, 0x5410):
        return [*texts, v.guarded(v.pointer_to_int, call, argument)]
    if request == 0x5413:
        return [*texts, v.guarded(_window, call, argument)]
    return [*texts, v.address(call, argument)]


def _window(call: Call, value: int) -> str:
    rows, columns, x, y = (call.number(value + at, 2) for at in (0, 2, 4, 6))
    return f"{{ws_row={rows}, ws_col={columns}, ws_xpixel={x}, ws_ypixel={y}}}"


@variable(5, early=0)
def _prctl(call: Call) -> list[str]:
    """prctl: as many arguments as the option has."""
    option, second = signed(call.raw[0]), call.raw[1]
    texts = [n.PRCTL.get(option, f"{option:#x} /* PR_??? */")]
    if option in (15, 16):
        return [*texts, v.guarded(v.text, call, second)]
    if option == 0x53564D41:
        what = "PR_SET_VMA_ANON_NAME" if second == 0 else hex(second)
        start, length, name = call.raw[2:5]
        return [*texts, what, v.address(call, start), str(length), v.guarded(v.text, call, name)]
    if option in (1,):
        return [*texts, v.signal_text(second) if second else "0"]
    if option in (4,):
        return [*texts, {0: "SUID_DUMP_DISABLE", 1: "SUID_DUMP_USER"}.get(second, str(second))]
    if option == 38:
        return [*texts, str(second), *(v.word(call, each) for each in call.raw[2:5])]
    if option in (3,):
        return texts
    return [*texts, *(v.word(call, each) for each in call.raw[1:5])]


@variable(2, early=0)
def _arch_prctl(call: Call) -> list[str]:
    """arch_prctl: a pointer to the result when it asks."""
    code, value = call.raw
    if code in (0x1003, 0x1004):
        shown = v.address(call, value) if call.failed else v.guarded(_pointer_to_pointer, call, value)
        return [n.ARCH_PRCTL.text(code), shown]
    return [n.ARCH_PRCTL.text(code), v.word(call, value)]


def _pointer_to_pointer(call: Call, value: int) -> str:
    return f"[{v.address(call, call.words(value, 1)[0])}]"


@variable(6)
def _futex(call: Call) -> list[str]:
    """futex, futex_time64: as many arguments as the operation has."""
    word, operation, value, timeout, second, third = call.raw
    command = operation & 0x7F
    name = n.FUTEX.get(operation & 0xFF, hex(operation & 0xFF))
    if operation & 0x100:
        name += "|FUTEX_CLOCK_REALTIME"
    texts = [v.address(call, word), name, str(value & 0xFFFFFFFF)]
    if command in (0, 9):
        texts.append(v.guarded(s.timespec, call, timeout))
    if command in (9, 10):
        mask = third & 0xFFFFFFFF
        shown = "FUTEX_BITSET_MATCH_ANY" if mask == 0xFFFFFFFF else hex(mask)
        texts.append(shown)
    elif command in (3, 4):
        texts += [str(timeout & 0xFFFFFFFF), v.address(call, second)]
        if command == 4:
            texts.append(str(third & 0xFFFFFFFF))
    elif command == 6:
        texts.append(v.guarded(s.timespec, call, timeout))
    return texts


@variable(5, early=2)
def _clone(call: Call) -> list[str]:
    """clone: arguments by name, those that its flags use."""
    flags, stack, parent = call.raw[:3]
    child, tls = (call.raw[3], call.raw[4]) if call.bits == 64 else (call.raw[4], call.raw[3])
    signal = flags & 0xFF
    shown = n.CLONE.text(flags & 0xFFFFFFFF & ~0xFF)
    if signal:
        shown = v.signal_text(signal) if shown == "0" else f"{shown}|{v.signal_text(signal)}"
    texts = [f"child_stack={v.address(call, stack)}", f"flags={shown}"]
    if flags & 0x100000:
        known = call.result is not None and not call.failed
        print_parent = v.pointer_to_int if known else v.address
        texts.append(f"parent_tid={v.guarded(print_parent, call, parent)}")
    if flags & 0x80000:
        show_tls = v.address if call.bits == 64 else s.user_area
        texts.append(f"tls={v.guarded(show_tls, call, tls)}")
    if flags & 0x1200000:
        texts.append(f"child_tidptr={v.address(call, child)}")
    return texts


@variable(2)
def _creat(call: Call) -> list[str]:
    """creat: a path and a mode."""
    return [v.guarded(v.path, call, call.raw[0]), v.octal(call, call.raw[1])]


@variable(4)
def _semctl(call: Call) -> list[str]:
    """semctl: the last argument is a word."""
    number, index, command, argument = call.raw
    shown = PRINTERS["semcmd"](call, command)
    return [str(signed(number)), str(signed(index)), shown, v.address(call, argument)]


@variable(1, early=0)
def _rt_sigreturn(call: Call) -> list[str]:
    """rt_sigreturn, sigreturn: the mask that is in force again."""
    return [f"{{mask={v.set_text(call.thread.blocked_signals)}}}"]


@variable(5, early=0)
def _llseek(call: Call) -> list[str]:
    """_llseek: an offset in two halves."""
    fd, high, low, result, whence = call.raw
    shown = v.address(call, result) if call.failed else f"[{call.number(result, 8)}]"
    return [str(signed(fd)), str(signed(high << 32 | low, 64)), shown, n.WHENCE.text(signed(whence))]


@variable(3)
def _truncate64(call: Call) -> list[str]:
    """truncate64, ftruncate64: a length in two halves."""
    first = v.guarded(v.path, call, call.raw[0]) if call.name == "truncate64" else str(signed(call.raw[0]))
    return [first, str(signed(call.raw[2] << 32 | call.raw[1], 64))]


SIMPLE = """
read: fd >out size
write: fd buf size
pread64: fd >out size long
pwrite64: fd buf size long
readv: fd >iovout uint
writev: fd iov uint
preadv: fd >iovout uint long
pwritev: fd iov uint long
close: fd
close_range: uint uint hex32
lseek: fd long whence
ftruncate: fd long
truncate: path long
fallocate: fd fallocate long long
fsync fdatasync: fd
sync getpid getppid gettid getuid geteuid getgid getegid getpgrp setsid pause sched_yield munlockall vfork fork:
sendfile: fd fd int* size
memfd_create: str mfd
fadvise64: fd long size int
stat lstat stat64 lstat64: path >stat
fstat fstat64: fd >stat
newfstatat fstatat64: fd path >stat at
statx: fd path statx_sync statx_mask >statx
access: path access
faccessat: fd path access
faccessat2: fd path access at_access
mkdir: path mode
mkdirat: fd path mode
rmdir unlink chdir: path
chroot: path
fchdir dup: fd
unlinkat: fd path at_remove
rename link symlink: path path
renameat: fd path fd path
renameat2: fd path fd path rename
linkat: fd path fd path at
symlinkat: path fd path
readlink: path >out size
readlinkat: fd path >out size
getcwd: >str size
chmod: path mode
fchmod: fd mode
fchmodat: fd path mode
chown lchown: path int int
fchown: fd int int
umask: mode
utimensat utimensat_time64: fd path times at
statfs: path >ptr
getdents64 getdents: fd >dirents uint
pipe: >int[2]
pipe2: >int[2] pipe_flags
dup2: fd fd
dup3: fd fd pipe_flags
poll: pollfds uint int
ppoll ppoll_time64: pollfds uint timespec sigset size
select _newselect: int fdset fdset fdset timeval
pselect6 pselect6_time64: int fdset fdset fdset timespec sigmask
epoll_create: int
epoll_create1: epoll_create
epoll_ctl: fd epoll_op fd epoll
epoll_wait: fd >epolls int int
epoll_pwait: fd >epolls int int sigset size
eventfd: uint
eventfd2: uint efd
timerfd_create: clock tfd
signalfd4: fd sigset size sfd
mmap: ptr size prot map_flags fd hex
mmap2: ptr size prot map_flags fd offset32
munmap: ptr size
mprotect: ptr size prot
brk: ptr
madvise: ptr size madvise
msync: ptr size msync
mlock munlock: ptr size
mlock2: ptr size hex32
mlockall: mcl
mincore: ptr size >ptr
exit exit_group: int
wait4: int >status wait4 >rusage
waitpid: int >status wait4
waitid: idtype int >siginfo wait >rusage
execve: path strings vars
execveat: fd path strings vars at
kill tkill: int sig
tgkill: int int sig
getpgid getsid: int
setpgid: int int
setuid setgid setuid32 setgid32: uint
getuid32 geteuid32 getgid32 getegid32:
setreuid setregid: int int
getrlimit ugetrlimit: resource >rlimit
setrlimit: resource rlimit
prlimit64: int resource rlimit >rlimit
getrusage: who >rusage
set_tid_address: ptr
set_robust_list: ptr size
rseq: ptr hex32 hex32 hex32
set_thread_area: user_desc
membarrier: membarrier hex32
rt_sigaction: sig sigaction >sigaction size
sigaction: sig sigaction >sigaction
rt_sigprocmask: how sigset >sigset size
rt_sigpending: >sigset size
rt_sigsuspend: sigset size
rt_sigtimedwait rt_sigtimedwait_time64: sigset >waited_info timespec size
rt_sigqueueinfo: int sig queued_info
rt_tgsigqueueinfo: int int sig queued_info
sigaltstack: stack >stack
alarm: uint
setitimer: itimer interval >interval
getitimer: itimer >interval
nanosleep: timespec >ptr
clock_nanosleep clock_nanosleep_time64: clock abstime timespec >ptr
clock_gettime clock_gettime64: clock >timespec
clock_getres clock_getres_time64: clock >timespec
gettimeofday: >timeval ptr
time: >ptr
times: >tms
uname: >utsname
sysinfo: >sysinfo
getrandom: >random size grnd
getcpu: >int* >int* ptr
shmget: key size shmget
shmat: int ptr shmat
shmdt: ptr
shmctl: int shmcmd >shm_buffer
semget: key int ipcget
semop: int sembufs uint
semtimedop semtimedop_time64: int sembufs uint timespec
msgget: key ipcget
msgsnd: int msg size msgflg
msgrcv: int >msg size long msgflg
msgctl: int msgcmd ptr
clone3: >clone3 size
"""
SIGNATURES_32: dict[str, Signature] = {}
"""Those of i386 that differ."""


def _old_mmap(call: Call) -> list[str]:
    """mmap through a pointer to its arguments."""
    fields = call.words(call.raw[0], 6)
    printers: tuple[Printer, ...] = (v.address, v.size, n.PROTECTION, map_flags, v.descriptor, v.word)
    return [show(call, field) for show, field in zip(printers, fields, strict=True)]


def _offset_in_halves(call: Call) -> list[str]:
    """pread64 and pwrite64."""
    fd, buffer, count, low, high = call.raw
    known = count if call.name == "pwrite64" else call.result or 0
    content = v.address(call, buffer) if call.failed else v.bytes_of(call, buffer, known)
    return [str(signed(fd)), content, str(count), str(signed(high << 32 | low, 64))]


SIGNATURES_32["mmap"] = Signature(line=_old_mmap, count=1, early=ALL)
SIGNATURES_32["pread64"] = SIGNATURES_32["pwrite64"] = Signature(line=_offset_in_halves, count=5, early=0)


def signature_of(name: str, bits: int) -> Signature | None:
    """How a call is printed; None: its arguments in hexadecimal."""
    return (SIGNATURES_32.get(name) if bits == 32 else None) or SIGNATURES.get(name)


for _line in SIMPLE.strip().splitlines():
    _names, _, _arguments = _line.partition(":")
    for _name in _names.split():
        SIGNATURES[_name] = parse(_arguments)
