"""Programs whose system calls are compared with strace's text: assembly bodies, and C as statically linked by gcc."""

from __future__ import annotations

EXIT = "\n mov eax, 60\n xor edi, edi\n syscall\n"


def calls(*lines: str) -> str:
    """``calls("39", "1 1 text 5")``: system calls by number with their arguments."""
    registers = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
    body = []
    for line in lines:
        number, *arguments = line.split()
        body += [f" mov {register}, {value}" for register, value in zip(registers, arguments, strict=False)]
        body += [f" mov eax, {number}", " syscall"]
    return "\n".join(body) + EXIT


DATA = """section .data
text: db "hello", 10, 0
lengthy: times 40 db "x"
odd: db 9, 10, 11, 12, 13, 34, 92, 1, "1", 255, 0
path: db "/nonexistent/file", 0
here: db ".", 0
moment: dq 0, 1000000
wrong: dq -1, 5
vector: dq text, 6, lengthy, 40
one: dq 1
section .bss
buffer: resb 4096
section .text
"""

ASSEMBLY: dict[str, str] = {
    "exit": "mov eax, 60\n mov edi, 42\n syscall",
    "exit_group": "mov eax, 231\n mov edi, 300\n syscall",
    "hello": calls("1 1 text 6"),
    "long string": calls("1 1 lengthy 40", "1 1 lengthy 32", "1 1 lengthy 33"),
    "escapes": calls("1 1 odd 11", "1 1 odd 9"),
    "bad descriptor": calls("1 77 text 6", "3 -1", "0 9 buffer 10"),
    "bad addresses": calls("0 0 8 10", "2 8 0 0", "1 77 8 5"),
    "null": calls("1 77 0 5", "2 0 0 0", "0 77 0 0"),
    "ids": calls("102", "104", "107", "108"),
    "brk": calls("12 0", "12 1"),
    "mmap": calls(
        "9 0 4096 3 0x22 -1 0", "9 0 0 3 0x22 -1 0", "9 0x10000000 8192 7 0x32 -1 0", "9 0 10 0 0x4022 -1 0"
    ),
    "mmap flags": calls(
        "9 0 4096 1 0x21 -1 0", "9 0 4096 3 0x20 -1 0", "9 0 4096 3 2 5 0x1000", "9 0 4096 3 3 -1 0"
    ),
    "munmap": calls("11 0x10000000 4096", "11 1 4096", "11 0 0"),
    "mprotect": calls("10 0x401000 4096 5", "10 0x401000 4096 8", "10 1 1 0"),
    "madvise": calls("28 0x401000 4096 4", "28 0x401000 4096 99", "26 0x401000 4096 5"),
    "mremap": calls("25 0x10000000 4096 8192 1", "25 0x10000000 4096 8192 3 0x20000000"),
    "open": calls(
        "2 path 0 0", "2 path 0x241 0o644", "2 here 0x10000 0", "257 -100 path 0x80000 0", "2 here 2 0"
    ),
    "open, flags that exclude each other": calls(
        "2 here 0x400000 0",
        "2 here 0x402000 0",
        "2 here 0x410000 0",
        "2 here 0x410002 0x8000",
        "2 here 0x10040 0o600",
        "2 path 0x10040 0o600",
        "2 here 0x610002 0",
        "2 here 0x112000 0",
        "2 path 0x400042 0o600",
    ),
    "stat": calls("4 path buffer", "5 77 buffer", "262 -100 path buffer 0x100", "6 path buffer"),
    "lseek": calls("8 77 0 2", "8 1 5 9"),
    "pipe and dup": calls(
        "22 buffer", "293 buffer 0x80800", "22 8", "32 77", "33 77 78", "292 77 78 0x80000"
    ),
    "fcntl": calls("72 1 1 0", "72 77 3 0", "72 0 2 1", "72 77 0 10", "72 1 99 5"),
    "ioctl": calls("16 77 0x5401 buffer", "16 77 0x5413 buffer", "16 77 0x541b buffer"),
    "writev": calls("20 1 vector 2", "20 77 vector 2", "20 1 vector 0", "20 1 8 1"),
    "readv": calls("19 77 vector 2"),
    "nanosleep": calls("35 moment 0", "35 wrong 0", "35 8 0", "230 1 0 moment 0", "230 99 0 moment 0"),
    "signal mask": calls(
        "14 0 buffer 0 8", "14 2 one buffer 8", "14 9 one 0 8", "14 0 0 buffer 4", "127 buffer 8"
    ),
    "sigaction": calls("13 10 buffer 0 8", "13 10 0 buffer 8", "13 9 buffer 0 8", "13 99 0 0 8"),
    "sigaltstack": calls("131 0 buffer"),
    "kill": calls("62 -999999 0", "62 1 99", "200 -1 5", "234 1 -1 5"),
    "wait": calls("61 -1 0 0 0", "61 -1 buffer 1 0", "247 0 0 buffer 4 0", "61 77 0 0xf0 0"),
    "limits": calls("97 3 buffer", "97 99 buffer", "302 0 3 0 buffer"),
    "directories": calls("80 path", "83 path 0o755", "84 path", "87 path", "263 -100 path 0x200", "81 77"),
    "links": calls(
        "82 path path", "86 path path", "88 path path", "89 path buffer 100", "265 -100 path -100 path 0"
    ),
    "access": calls("21 path 4", "21 here 7", "21 here 0", "269 -100 path 2", "21 here 8"),
    "modes": calls("90 path 0o644", "91 77 0o7777", "95 0o22", "95 0", "92 path 0 -1"),
    "times": calls("96 8 0", "228 99 buffer", "229 1 buffer", "229 1 0"),
    "prctl": calls("157 15 text 0 0 0", "157 16 buffer 0 0 0", "157 38 1 0 0 0", "157 39 0 0 0 0"),
    "arch_prctl": calls("158 0x1002 0", "158 0x1003 buffer", "158 0x9999 0"),
    "futex": calls(
        "202 one 0 5 0",
        "202 one 1 1",
        "202 one 128 5 0",
        "202 one 129 7",
        "202 one 0 1 moment",
        "202 one 9 2 0 0 -1",
    ),
    "poll": calls("7 0 0 0", "7 8 1 0", "7 0 0 1"),
    "memory files": calls("319 text 1", "319 text 3", "77 3 5000", "9 0 4096 3 1 3 0"),
    "events": calls("290 5 0x80800", "284 0", "291 0x80000", "213 1", "283 1 0x800"),
    "locking": calls("149 0x401000 10", "150 0x401000 10", "151 1", "152", "26 0x401000 4096 4"),
    "semaphores": calls("64 0x7f7f0001 1 0", "65 -1 0 0", "66 -1 0 0 0", "66 -1 0 16 5"),
    "messages": calls("68 0x7f7f0002 0", "70 -1 buffer 10 0 0x800", "71 -1 0 0", "69 -1 one 3 0"),
    "segments": calls("29 0x7f7f0003 100 0", "30 -1 0 0o10000", "31 -1 2 buffer", "67 8", "31 -1 0 0"),
    "yield": calls("24", "121 -5", "124 999999"),
    "exec": calls("59 path 0 0", "59 path vector 0", "322 -100 path 0 0 0"),
    "random": calls("318 buffer 0 0", "318 buffer 5 99"),
    "unknown": "mov eax, 9999\n mov edi, 1\n mov esi, 2\n xor edx, edx\n xor r10d, r10d\n xor r8d, r8d\n mov r9d, 255\n syscall"
    + EXIT,
    "segmentation fault": "mov rax, [0x10]",
    "fault at 0": "xor eax, eax\n mov [rax], al",
    "write to text": "mov byte [rel _start], 1",
    "kernel address": "mov rax, 0xffff800000000000\n mov al, [rax]",
    "divide": "xor ecx, ecx\n div ecx",
    "undefined": "ud2",
    "breakpoint": "int3" + EXIT,
    "self kill": "mov eax, 39\n syscall\n mov edi, eax\n mov eax, 62\n mov esi, 15\n syscall",
    "sigkill": "mov eax, 39\n syscall\n mov edi, eax\n mov eax, 62\n mov esi, 9\n syscall",
    "alarm kills": calls("37 1", "34"),
    "fork": "mov eax, 57\n syscall\n test eax, eax\n jz child\n mov edi, -1\n mov rsi, buffer\n xor edx, edx\n xor r10d, r10d\n"
    " mov eax, 61\n syscall" + EXIT + "child: mov edi, 7\n mov eax, 60\n syscall",
    "vfork": "mov eax, 58\n syscall\n test eax, eax\n jz child\n mov edi, -1\n mov rsi, buffer\n xor edx, edx\n xor r10d, r10d\n"
    " mov eax, 61\n syscall" + EXIT + "child: mov edi, 7\n mov eax, 60\n syscall",
    "killed child": "mov eax, 57\n syscall\n test eax, eax\n jz child\n mov edi, -1\n mov rsi, buffer\n xor edx, edx\n"
    " xor r10d, r10d\n mov eax, 61\n syscall" + EXIT + "child: mov rax, [0]",
    "int 0x80": "mov eax, 4\n mov ebx, 1\n mov ecx, text\n mov edx, 6\n int 0x80\n mov eax, 1\n mov ebx, 3\n int 0x80",
}

HEAD = """#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static void handler(int number) { (void)number; }
static void informed(int number, siginfo_t *info, void *context) { (void)number; (void)info; (void)context; }
"""

C: dict[str, str] = {
    "printf": 'printf("hello %d\\n", 5);',
    "malloc": "for (int i = 1; i < 300000; i *= 3) { char *p = malloc(i); p[i - 1] = 1; free(p); }",
    "files": 'int fd = open("made", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640); write(fd, "abc\\ndef", 7); '
    "struct stat s; fstat(fd, &s); lseek(fd, 2, SEEK_SET); char b[9]; read(fd, b, 9); pread(fd, b, 3, 1); pwrite(fd, b, 2, 6);"
    ' ftruncate(fd, 3); fsync(fd); close(fd); stat("made", &s); chmod("made", 0600); rename("made", "other"); unlink("other");',
    "stdio": 'FILE *f = fopen("made", "w+"); fprintf(f, "%s\\n", "text"); rewind(f); char b[20]; fgets(b, 20, f); fclose(f); remove("made");',
    "handlers": "struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART}; sigaddset(&a.sa_mask, SIGINT);"
    " sigaction(SIGUSR1, &a, 0); raise(SIGUSR1); kill(getpid(), SIGUSR1); a.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;"
    " a.sa_sigaction = informed; sigaction(SIGRTMIN + 2, &a, &a); union sigval v = {.sival_int = 5}; sigqueue(getpid(), SIGRTMIN + 2, v);",
    "signal masks": "sigset_t m; sigfillset(&m); sigprocmask(SIG_BLOCK, &m, 0); raise(SIGTERM); sigpending(&m); sigemptyset(&m);"
    " sigaddset(&m, SIGTERM); int n; sigwait(&m, &n); struct timespec t = {0, 1000}; sigtimedwait(&m, 0, &t);",
    "alarm": "signal(SIGALRM, handler); struct itimerval t = {{0, 0}, {0, 2000}}; setitimer(ITIMER_REAL, &t, 0); pause();",
    "interrupted sleep": "signal(SIGALRM, handler); struct itimerval t = {{0, 0}, {0, 2000}}; setitimer(ITIMER_REAL, &t, 0);"
    " struct timespec s = {5, 0}; syscall(SYS_nanosleep, &s, 0);",
    "interrupted read": "int p[2]; pipe(p); struct sigaction a = {.sa_handler = handler}; sigaction(SIGALRM, &a, 0);"
    " struct itimerval t = {{0, 0}, {0, 2000}}; setitimer(ITIMER_REAL, &t, 0); char c; read(p[0], &c, 1);",
    "restarted read": "int p[2]; pipe(p); signal(SIGALRM, handler); struct itimerval t = {{0, 0}, {0, 2000}};"
    ' setitimer(ITIMER_REAL, &t, 0); fcntl(p[0], F_SETFL, 0); if (!fork()) { usleep(50000); write(p[1], "x", 1); _exit(0); }'
    " char c; read(p[0], &c, 1); wait(0);",
    "poll": "int p[2]; pipe(p); struct pollfd f[2] = {{p[0], POLLIN}, {p[1], POLLOUT | POLLPRI}}; poll(f, 2, 5); poll(f, 1, 1);"
    " struct timespec t = {0, 1000}; ppoll(f, 1, &t, 0); close(p[1]); poll(f, 1, -1);",
    "select": "int p[2]; pipe(p); fd_set r, w; FD_ZERO(&r); FD_ZERO(&w); FD_SET(p[0], &r); FD_SET(p[1], &w);"
    " syscall(SYS_select, 8, &r, &w, 0, 0); FD_SET(p[0], &r); struct timeval t = {0, 1000}; syscall(SYS_select, 8, &r, 0, 0, &t);",
    "epoll": "int p[2], e = epoll_create1(EPOLL_CLOEXEC); pipe(p); struct epoll_event v = {EPOLLIN | EPOLLET, {.u64 = 7}};"
    ' epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v); epoll_wait(e, &v, 1, 0); write(p[1], "abc", 3); epoll_wait(e, &v, 1, -1);'
    " epoll_ctl(e, EPOLL_CTL_DEL, p[0], 0);",
    "vectors": 'struct iovec v[2] = {{"ab", 2}, {"cdefghijklmnopqrstuvwxyz0123456789ABCDEFGH", 42}}; int p[2]; pipe(p);'
    " writev(p[1], v, 2); char a[10], b[100]; struct iovec r[2] = {{a, 10}, {b, 100}}; readv(p[0], r, 2);",
    "limits": "struct rlimit l; getrlimit(RLIMIT_STACK, &l); l.rlim_cur = 1 << 20; setrlimit(RLIMIT_STACK, &l); l.rlim_cur = 77;"
    " l.rlim_max = RLIM_INFINITY; setrlimit(RLIMIT_CPU, &l); getrlimit(RLIMIT_CPU, &l);",
    "children": "int s; if (!fork()) _exit(3); wait(&s); if (!fork()) kill(getpid(), SIGTERM); waitpid(-1, &s, 0);"
    " if (!fork()) abort(); siginfo_t i; waitid(P_ALL, 0, &i, WEXITED); waitpid(-1, &s, WNOHANG);",
    "pipeline": 'int p[2]; pipe(p); if (!fork()) { close(p[0]); dup2(p[1], 1); write(1, "data", 4); _exit(0); } close(p[1]);'
    " char b[9]; while (read(p[0], b, 9) > 0); wait(0);",
    "exec": 'if (!fork()) { execl("/nonexistent", "x", "y z", (char *)0); _exit(127); } wait(0);',
    "mapping": 'int fd = open("made", O_RDWR | O_CREAT, 0600); ftruncate(fd, 8192); char *p = mmap(0, 8192, PROT_READ | PROT_WRITE,'
    " MAP_SHARED, fd, 0); p[0] = 1; msync(p, 8192, MS_SYNC); mprotect(p, 4096, PROT_NONE); madvise(p, 4096, MADV_DONTNEED);"
    " munmap(p, 8192); p = mmap(0, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);"
    ' mremap(p, 1 << 20, 1 << 21, MREMAP_MAYMOVE); unlink("made");',
    "thread": "pthread_t t; pthread_create(&t, 0, (void *(*)(void *))handler, 0); pthread_join(t, 0);",
    "directory": 'mkdir("d", 0700); symlink("d", "l"); char b[9]; readlink("l", b, 9); unlink("l"); rmdir("d"); access("d", R_OK);',
    "shared memory": "int i = shmget(IPC_PRIVATE, 100, 0600 | IPC_CREAT); char *p = shmat(i, 0, 0); p[0] = 1; shmdt(p);"
    " shmctl(i, IPC_RMID, 0);",
    "clocks": "struct timespec t; syscall(SYS_clock_getres, CLOCK_MONOTONIC, &t); clock_gettime(CLOCK_MONOTONIC, &t); time(0);"
    " struct timeval v; gettimeofday(&v, 0);",
    "abort": "abort();",
    "stack overflow": "volatile char big[9000000]; big[0] = 1; struct rlimit l; (void)l;",
    "broken pipe": 'int p[2]; pipe(p); close(p[0]); write(p[1], "x", 1);',
}
