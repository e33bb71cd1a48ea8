"""What the files of /proc say, but for those that show memory (procfs_memory.py): each a function from kernel to bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.abi.process import ALL_CAPABILITIES
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.fs import procfs_ipc

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.mm.space import AddressSpace
    from toolkit.kernel.task import Process, State

Render = Callable[["Kernel", "Process"], bytes]
SystemRender = Callable[["Kernel"], bytes]
CLOCK_TICK = 10_000_000
EXITING = 0xC
"""Flags of stat: the process is ending (PF_EXITING, PF_POSTCOREDUMP)."""
LIMIT_NAMES = (
    ("Max cpu time", 0, "seconds"),
    ("Max file size", 1, "bytes"),
    ("Max data size", 2, "bytes"),
    ("Max stack size", 3, "bytes"),
    ("Max core file size", 4, "bytes"),
    ("Max resident set", 5, "bytes"),
    ("Max processes", 6, "processes"),
    ("Max open files", 7, "files"),
    ("Max locked memory", 8, "bytes"),
    ("Max address space", 9, "bytes"),
    ("Max file locks", 10, "locks"),
    ("Max pending signals", 11, "signals"),
    ("Max msgqueue size", 12, "bytes"),
    ("Max nice priority", 13, ""),
    ("Max realtime priority", 14, ""),
    ("Max realtime timeout", 15, "us"),
)


MOUNTS = (
    b"/dev/root / ext4 rw,relatime 0 0\ndevtmpfs /dev devtmpfs rw 0 0\nproc /proc proc rw 0 0\n"
    b"tmpfs /dev/shm tmpfs rw 0 0\n"
)


# --- files of a process ------------------------------------------------------------------------------------


def text(content: str) -> bytes:
    """Names keep their bytes."""
    return content.encode("utf-8", "surrogateescape")


def memory_file(name: str) -> Render:
    """A file that procfs_memory renders from the address space; a zombie's is empty and all 0."""

    def render(_kernel: Kernel, process: Process) -> bytes:
        from toolkit.kernel.fs import procfs_memory

        return text(getattr(procfs_memory, name)(process.memory))

    return render


def strings(memory: AddressSpace, low: int, high: int) -> bytes:
    """The program's own argument or environment strings, as they stand in its memory."""
    return memory.read_available(low, high - low)


def arguments(_kernel: Kernel, process: Process) -> bytes:
    """/proc/PID/cmdline."""
    if process.dead:
        return b""
    places = process.memory.places
    return strings(process.memory, places.arg_start, places.arg_end)


def mounts(_kernel: Kernel, process: Process) -> bytes:
    """/proc/PID/mounts."""
    return MOUNTS


def state_letter(process: Process) -> str:
    """R, S, T or Z."""
    from toolkit.kernel.task import State

    if process.dead:
        return "Z"
    if process.stopped:
        return "T"
    running: State = State.RUNNABLE
    return "R" if any(thread.state is running for thread in process.threads) else "S"


def stat_line(kernel: Kernel, process: Process) -> bytes:
    """/proc/PID/stat."""
    memory = None if process.dead else process.memory
    places = memory.places if memory is not None else None
    faults = process.memory.faults
    parent = process.parent.pid if process.parent is not None else kernel.processes.shell_pid
    ticks = kernel.instructions // CLOCK_TICK
    fields: list[object] = [
        process.pid, f"({process.name})", state_letter(process), parent, process.group, process.session, 0, -1,
        0 if memory else EXITING, faults.minor, 0, faults.major, 0, ticks, 0, 0, 0,
        20, 0, max(1, len(process.threads)), 0, process.started // CLOCK_TICK,
        memory.total_pages << 12 if memory else 0, memory.resident_pages if memory else 0, (1 << 64) - 1,
    ]  # fmt: skip
    if places is not None:
        fields += [places.start_code, places.end_code, places.start_stack, 0, 0]
    else:
        fields += [0] * 5
    fields += [
        process.pending.mask & 0x7FFFFFFF,
        blocked(process) & 0x7FFFFFFF,
        *signal_sets(process),
        0,
        0,
        0,
    ]
    fields += [17, 0, 0, 0, 0, 0, 0]
    if places is not None:
        fields += [
            places.start_data, places.end_data, places.start_brk, places.arg_start, places.arg_end,
            places.env_start, places.env_end,
        ]  # fmt: skip
    else:
        fields += [0] * 7
    fields.append(process.wait_status if process.dead else 0)
    return text(" ".join(map(str, fields)) + "\n")


def blocked(process: Process) -> int:
    """The first thread's mask."""
    return process.threads[0].blocked_signals if process.threads else 0


def signal_sets(process: Process) -> tuple[int, int]:
    """Ignored and caught signals."""
    ignored = sum(1 << (number - 1) for number, action in process.actions.items() if action.handler == 1)
    caught = sum(1 << (number - 1) for number, action in process.actions.items() if action.handler > 1)
    return ignored, caught


STATE_NAMES = {"R": "R (running)", "S": "S (sleeping)", "T": "T (stopped)", "Z": "Z (zombie)"}


def status(kernel: Kernel, process: Process) -> bytes:
    """/proc/PID/status."""
    from toolkit.kernel.fs import procfs_memory

    body = identity_lines(kernel, process)
    if not process.dead:
        body += procfs_memory.status_lines(process.memory)
        body += "CoreDumping:\t0\nTHP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\n"
    return text(body + signal_lines(process) + TAIL.format(int(process.no_new_privileges)))


def identity_lines(kernel: Kernel, process: Process) -> str:
    """The lines of status from Name to Kthread; a zombie has no umask any more."""
    who = process.credentials
    parent = process.parent.pid if process.parent is not None else kernel.processes.shell_pid
    lines = [
        f"Name:\t{process.name}",
        *([] if process.dead else [f"Umask:\t{process.working.umask:04o}"]),
        f"State:\t{STATE_NAMES[state_letter(process)]}",
        f"Tgid:\t{process.pid}",
        "Ngid:\t0",
        f"Pid:\t{process.pid}",
        f"PPid:\t{parent}",
        "TracerPid:\t0",
        f"Uid:\t{who.uid}\t{who.euid}\t{who.suid}\t{who.fsuid}",
        f"Gid:\t{who.gid}\t{who.egid}\t{who.sgid}\t{who.fsgid}",
        f"FDSize:\t{0 if process.dead else 64}",
        "Groups:\t" + " ".join(map(str, who.groups)) + " ",
        f"NStgid:\t{process.pid}",
        f"NSpid:\t{process.pid}",
        f"NSpgid:\t{process.group}",
        f"NSsid:\t{process.session}",
        "Kthread:\t0",
    ]
    return "\n".join(lines) + "\n"


def signal_lines(process: Process) -> str:
    """The lines of status from Threads to CapAmb."""
    ignored, caught = signal_sets(process)
    pending = process.threads[0].pending.mask if process.threads else 0
    held = ALL_CAPABILITIES if process.privileged else 0
    lines = [
        f"Threads:\t{max(1, len(process.threads))}",
        f"SigQ:\t{len(process.pending.queue)}/{process.limits.pending_signals}",
        f"SigPnd:\t{pending:016x}",
        f"ShdPnd:\t{process.pending.mask:016x}",
        f"SigBlk:\t{blocked(process):016x}",
        f"SigIgn:\t{ignored:016x}",
        f"SigCgt:\t{caught:016x}",
        f"CapInh:\t{0:016x}",
        f"CapPrm:\t{held:016x}",
        f"CapEff:\t{held:016x}",
        f"CapBnd:\t{ALL_CAPABILITIES:016x}",
        f"CapAmb:\t{0:016x}",
    ]
    return "\n".join(lines) + "\n"


TAIL = (
    "NoNewPrivs:\t{}\nSeccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tvulnerable\n"
    "SpeculationIndirectBranch:\talways enabled\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n"
    f"Mems_allowed:\t{'00000000,' * 31}00000001\nMems_allowed_list:\t0\n"
    "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n"
)
"""The last lines of status: one processor, one memory node, no filters; the argument is no_new_privs."""


def limits(_kernel: Kernel, process: Process) -> bytes:
    """/proc/PID/limits."""
    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}"]
    for name, number, unit in LIMIT_NAMES:
        soft, hard = (
            "unlimited" if value >> 64 - 1 else str(value) for value in process.limits.values[number]
        )
        lines.append(f"{name:<25} {soft:<20} {hard:<20} " + (f"{unit:<10}" if unit else ""))
    return text("\n".join(lines) + "\n")


PROCESS_FILES: dict[bytes, Render] = {
    b"statm": memory_file("statm"),
    b"stat": stat_line,
    b"status": status,
    b"limits": limits,
    b"comm": lambda kernel, process: text(process.name + "\n"),
    b"cgroup": lambda kernel, process: b"0::/\n",
    b"oom_score": memory_file("oom_score"),
    b"personality": lambda kernel, process: b"00040000\n",
}


# --- files of the system -----------------------------------------------------------------------------------


def meminfo(kernel: Kernel) -> bytes:
    """/proc/meminfo."""
    from toolkit.kernel.fs import procfs_memory

    return text(procfs_memory.meminfo(kernel.frames))


def cpuinfo(_kernel: Kernel) -> bytes:
    """/proc/cpuinfo: one processor, the one that CPUID describes."""
    return (
        b"processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 58\n"
        b"model name\t: toolkit emulated CPU\nstepping\t: 9\ncpu MHz\t\t: 2000.000\ncache size\t: 0 KB\n"
        b"physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\nfpu\t\t: yes\nwp\t\t: yes\n"
        b"flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse "
        b"sse2 ht syscall nx rdtscp lm pni cx16 rdrand lahf_lm fsgsbase\nbogomips\t: 4000.00\nclflush size\t: 64\n"
        b"cache_alignment\t: 64\naddress sizes\t: 40 bits physical, 48 bits virtual\n\n"
    )


def uptime(kernel: Kernel) -> bytes:
    """/proc/uptime."""
    hundredths = kernel.clock.now // CLOCK_TICK
    return b"%d.%02d 0.00\n" % divmod(hundredths, 100)


def system_stat(kernel: Kernel) -> bytes:
    """/proc/stat."""
    boot = kernel.clock.epoch // NANOSECONDS
    ticks = kernel.instructions // CLOCK_TICK
    running = len(kernel.processes.by_tid)
    return (
        b"cpu  %d 0 0 0 0 0 0 0 0 0\ncpu0 %d 0 0 0 0 0 0 0 0 0\nctxt 0\nbtime %d\nprocesses %d\n"
        b"procs_running %d\nprocs_blocked 0\n" % (ticks, ticks, boot, running, running)
    )


def load_average(kernel: Kernel) -> bytes:
    """/proc/loadavg of a computer that has nothing else to do."""
    return b"0.00 0.00 0.00 1/%d %d\n" % (len(kernel.processes.by_tid), kernel.processes.shell_pid)


def swaps(kernel: Kernel) -> bytes:
    """/proc/swaps: compressed memory, as the swap here behaves (swap_show)."""
    swap = kernel.frames.swap
    text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    if swap.size:
        size, used = swap.size << 2, swap.used << 2
        fields = [b"/dev/zram0".ljust(40) + b"partition"]
        fields += [b"%d" % number + (b"\t" if number < 10_000_000 else b"") for number in (size, used)]
        text += b"\t".join((*fields, b"-2")) + b"\n"
    return text


SYSTEM_FILES: dict[bytes, SystemRender] = {
    b"meminfo": meminfo,
    b"cpuinfo": cpuinfo,
    b"uptime": uptime,
    b"stat": system_stat,
    b"loadavg": load_average,
    b"version": lambda kernel: b"Linux version 6.18.44 (toolkit) #1 SMP PREEMPT_DYNAMIC\n",
    b"filesystems": lambda kernel: b"nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\n\text4\n",
    b"cmdline": lambda kernel: b"\n",
    b"devices": lambda kernel: b"Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n",
    b"swaps": swaps,
}


Setting = Callable[["Kernel", bytes], None]


def overcommit_mode(kernel: Kernel) -> bytes:
    """vm.overcommit_memory."""
    return b"%d\n" % kernel.frames.commitment.mode


def overcommit_ratio(kernel: Kernel) -> bytes:
    """vm.overcommit_ratio."""
    return b"%d\n" % kernel.frames.commitment.ratio


def overcommit_kilobytes(kernel: Kernel) -> bytes:
    """vm.overcommit_kbytes."""
    return b"%d\n" % kernel.frames.commitment.kilobytes


def overcommit_setting(name: str) -> Setting:
    """What a write to one of the overcommit settings does."""

    def store(kernel: Kernel, data: bytes) -> None:
        from toolkit.kernel.fs import procfs_memory

        procfs_memory.set_overcommit(kernel.frames.commitment, name, data)

    return store


SYSCTL: dict[str, SystemRender] = {
    "sys/kernel/osrelease": lambda kernel: b"6.18.44\n",
    "sys/kernel/ostype": lambda kernel: b"Linux\n",
    "sys/kernel/hostname": lambda kernel: text(kernel.hostname + "\n"),
    "sys/kernel/pid_max": lambda kernel: b"32768\n",
    "sys/kernel/ngroups_max": lambda kernel: b"65536\n",
    "sys/kernel/cap_last_cap": lambda kernel: b"40\n",
    "sys/kernel/random/uuid": lambda kernel: random_uuid(kernel),
    "sys/kernel/randomize_va_space": lambda kernel: b"0\n",
    "sys/vm/overcommit_memory": overcommit_mode,
    "sys/vm/overcommit_ratio": overcommit_ratio,
    "sys/vm/overcommit_kbytes": overcommit_kilobytes,
    "sys/vm/max_map_count": lambda kernel: b"65530\n",
    "sys/vm/mmap_min_addr": lambda kernel: b"4096\n",
    "sys/fs/pipe-max-size": lambda kernel: b"1048576\n",
    "sys/fs/file-max": lambda kernel: b"%d\n" % (1 << 63 - 1),
    **procfs_ipc.LIMITS,
}
TEXT_SETTINGS = ("sys/kernel/osrelease", "sys/kernel/ostype", "sys/kernel/hostname", "sys/kernel/random/uuid")
"""Files of SYSCTL that are text (proc_dostring)."""
SETTINGS: dict[str, Setting] = {
    f"sys/vm/{name}": overcommit_setting(name)
    for name in ("overcommit_memory", "overcommit_ratio", "overcommit_kbytes")
}
"""What root may write into files of SYSCTL."""
SYSVIPC: dict[str, SystemRender] = dict(procfs_ipc.TABLES)


def random_uuid(kernel: Kernel) -> bytes:
    """A version 4 UUID, from the seed."""
    raw = bytearray(kernel.random_bytes(16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
    digits = raw.hex()
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    return text("-".join(parts) + "\n")
