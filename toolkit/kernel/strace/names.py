"""Flags and numbers by the names strace prints."""

from __future__ import annotations

from toolkit.abi import files as f
from toolkit.abi import process as p
from toolkit.kernel.strace.values import Choice, Flags, bits, named
from toolkit.kernel.syscalls.arguments import MAP_FLAGS, OPEN_FLAGS, PROTECTIONS


def from_module(module: object, prefix: str, *, without: tuple[str, ...] = ()) -> tuple[tuple[int, str], ...]:
    """The constants of an abi module that begin with a prefix."""
    return tuple(
        (value, name)
        for name, value in vars(module).items()
        if name.startswith(prefix) and isinstance(value, int) and name not in without
    )


FILE_TYPES = {
    f.S_IFREG: "S_IFREG", f.S_IFDIR: "S_IFDIR", f.S_IFCHR: "S_IFCHR", f.S_IFBLK: "S_IFBLK",
    f.S_IFIFO: "S_IFIFO", f.S_IFLNK: "S_IFLNK", f.S_IFSOCK: "S_IFSOCK",
}  # fmt: skip
_OPEN_ORDER = [
    "O_CREAT",
    "O_EXCL",
    "O_NOCTTY",
    "O_TRUNC",
    "O_APPEND",
    "O_NONBLOCK",
    "O_SYNC",
    "O_DSYNC",
    "__O_SYNC",
    "O_DIRECT",
    "O_LARGEFILE",
    "O_NOFOLLOW",
    "O_NOATIME",
    "O_CLOEXEC",
    "O_PATH",
    "O_TMPFILE",
    "__O_TMPFILE",
    "O_DIRECTORY",
    "FASYNC",
]
_SYNC_BIT = f.O_SYNC & ~f.O_DSYNC  # O_SYNC without O_DSYNC: __O_SYNC
_OPEN_NAMES = dict(OPEN_FLAGS) | {
    f.O_ASYNC: "FASYNC",
    f.TMPFILE_BIT: "__O_TMPFILE",
    _SYNC_BIT: "__O_SYNC",
}
OPEN_EXTRA = Flags(
    tuple((value, name) for known in _OPEN_ORDER for value, name in _OPEN_NAMES.items() if name == known)
)
PROTECTION = Flags(
    (*PROTECTIONS, (8, "PROT_SEM"), (0x01000000, "PROT_GROWSDOWN"), (0x02000000, "PROT_GROWSUP")),
    "PROT_NONE",
    "PROT_???",
)
MAP_EXTRA = Flags(MAP_FLAGS)
REMAP = Flags(bits("MREMAP_", "MAYMOVE=1 FIXED DONTUNMAP"))
SYNC = Flags(bits("MS_", "SYNC=4 ASYNC=1 INVALIDATE=2"))
ADVICE = Choice(
    named("MADV_", "NORMAL=0 RANDOM SEQUENTIAL WILLNEED DONTNEED FREE=8 REMOVE DONTFORK DOFORK MERGEABLE=12 UNMERGEABLE "
          "HUGEPAGE NOHUGEPAGE DONTDUMP DODUMP WIPEONFORK KEEPONFORK COLD PAGEOUT POPULATE_READ POPULATE_WRITE "
          "DONTNEED_LOCKED COLLAPSE"), "MADV_???")  # fmt: skip
LOCK_ALL = Flags(bits("MCL_", "CURRENT=1 FUTURE ONFAULT"))
WHENCE = Choice(named("SEEK_", "SET=0 CUR END DATA HOLE"), "SEEK_???")
ACCESS = Flags(bits("", "R_OK=4 W_OK=2 X_OK=1"), "F_OK", "?_OK")
AT_FLAGS = Flags(
    bits("AT_", "SYMLINK_NOFOLLOW=0x100 SYMLINK_FOLLOW=0x400 NO_AUTOMOUNT=0x800 EMPTY_PATH=0x1000")
)
AT_ACCESS = Flags(bits("AT_", "SYMLINK_NOFOLLOW=0x100 EACCESS=0x200 EMPTY_PATH=0x1000"))
AT_REMOVE = Flags(bits("AT_", "REMOVEDIR=0x200"))
STATX_MASK = Flags(
    ((0xFFF, "STATX_ALL"), (0x7FF, "STATX_BASIC_STATS"), *bits(
        "STATX_", "TYPE=1 MODE NLINK UID GID ATIME MTIME CTIME INO SIZE BLOCKS BTIME MNT_ID DIOALIGN MNT_ID_UNIQUE")))  # fmt: skip
STATX_ATTRIBUTES = Flags(
    bits("STATX_ATTR_", "COMPRESSED=4 IMMUTABLE=0x10 APPEND=0x20 NODUMP=0x40 MOUNT_ROOT=0x2000")
)
UTIME = {0x3FFFFFFF: "UTIME_NOW", 0x3FFFFFFE: "UTIME_OMIT"}
SIGNAL_FLAGS = Flags(
    bits("SA_", "RESTORER=0x04000000 ONSTACK=0x08000000 RESTART=0x10000000 NODEFER=0x40000000 RESETHAND=0x80000000 "
         "SIGINFO=4 NOCLDSTOP=1 NOCLDWAIT=2"))  # fmt: skip
HOW = Choice(named("SIG_", "BLOCK=0 UNBLOCK SETMASK"), "SIG_???")
STACK_FLAGS = Flags(((1, "SS_ONSTACK"), (2, "SS_DISABLE"), (0x80000000, "SS_AUTODISARM")))
POLL = Flags(
    bits("POLL", "IN=1 PRI OUT ERR HUP NVAL RDNORM RDBAND WRNORM WRBAND MSG REMOVE=0x1000 RDHUP=0x2000")
)
EPOLL = Flags(
    bits("EPOLL", "IN=1 PRI OUT ERR HUP RDNORM=0x40 RDBAND WRNORM WRBAND MSG RDHUP=0x2000 EXCLUSIVE=0x10000000 "
         "WAKEUP ONESHOT ET"))  # fmt: skip
EPOLL_OPERATION = Choice(named("EPOLL_CTL_", "ADD=1 DEL MOD"), "EPOLL_CTL_???")
RESOURCE = Choice(dict(from_module(p, "RLIMIT_")), "RLIMIT_???")
USAGE_OF = Choice(named("RUSAGE_", "CHILDREN=-1 SELF=0 THREAD=1"), "RUSAGE_???")
WAIT = Flags(
    ((1, "WNOHANG"), (2, "WSTOPPED"), (4, "WEXITED"), (8, "WCONTINUED"), (0x01000000, "WNOWAIT"),
     (0x20000000, "__WNOTHREAD"), (0x40000000, "__WALL"), (0x80000000, "__WCLONE")))  # fmt: skip
WAIT4 = Flags(
    tuple((number, "WUNTRACED" if number == 2 else name) for number, name in WAIT.names), "0", "W???"
)
ID_TYPE = Choice(named("P_", "ALL=0 PID PGID PIDFD"), "P_???")
CHILD_CODES = named("CLD_", "EXITED=1 KILLED DUMPED TRAPPED STOPPED CONTINUED")
CLONE = Flags(from_module(p, "CLONE_", without=("CLONE_NAMESPACES",)))
CLOCK = Choice(
    named("CLOCK_", "REALTIME=0 MONOTONIC PROCESS_CPUTIME_ID THREAD_CPUTIME_ID MONOTONIC_RAW REALTIME_COARSE "
          "MONOTONIC_COARSE BOOTTIME REALTIME_ALARM BOOTTIME_ALARM SGI_CYCLE TAI"), "CLOCK_???")  # fmt: skip
TIMER_FLAGS = Flags(((1, "TIMER_ABSTIME"),))
ITIMER = Choice(named("ITIMER_", "REAL=0 VIRTUAL PROF"), "ITIMER_???")
ARCH_PRCTL = Choice(named("ARCH_", "SET_GS=0x1001 SET_FS GET_FS GET_GS"), "ARCH_???")
FUTEX = {
    number | flag: name + ("_PRIVATE" if flag else "")
    for number, name in named(
        "FUTEX_",
        "WAIT=0 WAKE FD REQUEUE CMP_REQUEUE WAKE_OP LOCK_PI UNLOCK_PI TRYLOCK_PI WAIT_BITSET WAKE_BITSET",
    ).items()
    for flag in (0, 128)
}
RANDOM = Flags(bits("GRND_", "NONBLOCK=1 RANDOM INSECURE"))
MEMFD = Flags(bits("MFD_", "CLOEXEC=1 ALLOW_SEALING HUGETLB"))
EVENT = Flags(bits("EFD_", "SEMAPHORE=1 CLOEXEC=0x80000 NONBLOCK=0x800"))
TIMER_FD = Flags(bits("TFD_", "CLOEXEC=0x80000 NONBLOCK=0x800"))
SIGNAL_FD = Flags(bits("SFD_", "CLOEXEC=0x80000 NONBLOCK=0x800"))
EPOLL_CREATE = Flags(bits("EPOLL_", "CLOEXEC=0x80000"))
DESCRIPTOR_FLAGS = Flags(((1, "FD_CLOEXEC"),))
FCNTL = {
    **named("F_", "DUPFD=0 GETFD SETFD GETFL SETFL GETLK SETLK SETLKW SETOWN GETOWN SETSIG GETSIG GETLK64=12 SETLK64 SETLKW64"),
    **named("F_", "DUPFD_CLOEXEC=1030 SETPIPE_SZ GETPIPE_SZ ADD_SEALS GET_SEALS"),
}  # fmt: skip
IOCTL = Choice(
    {0x5401: "TCGETS", 0x5402: "TCSETS", 0x5403: "TCSETSW", 0x5404: "TCSETSF", 0x540F: "TIOCGPGRP", 0x5410: "TIOCSPGRP",
     0x5413: "TIOCGWINSZ", 0x5414: "TIOCSWINSZ", 0x541B: "FIONREAD", 0x5421: "FIONBIO", 0x5450: "FIONCLEX",
     0x5451: "FIOCLEX"})  # fmt: skip
PRCTL = named("PR_", "SET_PDEATHSIG=1 GET_PDEATHSIG GET_DUMPABLE SET_DUMPABLE SET_NAME=15 GET_NAME SET_NO_NEW_PRIVS=38 "
              "GET_NO_NEW_PRIVS SET_VMA=0x53564d41 CAPBSET_READ=23 SET_CHILD_SUBREAPER=36 GET_CHILD_SUBREAPER")  # fmt: skip
RENAME = Flags(bits("RENAME_", "NOREPLACE=1 EXCHANGE WHITEOUT"))
FALLOCATE = Flags(bits("FALLOC_FL_", "KEEP_SIZE=1 PUNCH_HOLE"))
MEMBARRIER = Choice(
    named("MEMBARRIER_CMD_", "QUERY=0 GLOBAL GLOBAL_EXPEDITED REGISTER_GLOBAL_EXPEDITED=4 PRIVATE_EXPEDITED=8 "
          "REGISTER_PRIVATE_EXPEDITED=16"))  # fmt: skip
IPC_COMMAND = named("IPC_", "RMID=0 SET STAT INFO")
SHM_COMMAND = Choice(IPC_COMMAND | named("SHM_", "LOCK=11 UNLOCK STAT INFO STAT_ANY"))
SEM_COMMAND = Choice(
    IPC_COMMAND | named("", "GETPID=11 GETVAL GETALL GETNCNT GETZCNT SETVAL SETALL SEM_STAT SEM_INFO SEM_STAT_ANY"))  # fmt: skip
MSG_COMMAND = Choice(IPC_COMMAND | named("MSG_", "STAT=11 INFO STAT_ANY"))
SHM_GET = Flags(bits("", "IPC_CREAT=0o1000 IPC_EXCL=0o2000 SHM_HUGETLB=0o4000 SHM_NORESERVE=0o10000"), "")
IPC_GET = Flags(bits("", "IPC_CREAT=0o1000 IPC_EXCL=0o2000 IPC_NOWAIT=0o4000"), "")
SHM_ATTACH = Flags(bits("SHM_", "RDONLY=0o10000 RND=0o20000 REMAP=0o40000 EXEC=0o100000"))
MESSAGE_FLAGS = Flags(bits("", "IPC_NOWAIT=0o4000 MSG_NOERROR=0o10000 MSG_EXCEPT=0o20000 MSG_COPY=0o40000"))
SEMAPHORE_FLAGS = Flags(((0x1000, "SEM_UNDO"), (0o4000, "IPC_NOWAIT")))
