/* Every system call with each pointer in turn bad in each way; "rows.h" is made from the table of system calls. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, GOOD = 0x7000001, PATH = 0x7000002, BAD = 0x7000003, BAD_PATH = 0x7000004 };
struct row { const char *name, *argument; long number, arguments[6]; };
static const struct row rows[] = {
#include "rows.h"
};
static const char *kinds[] = { "null", "unmapped", "not canonical", "kernel's", "no rights", "read-only", "half", "odd", "end" };
enum { KINDS = sizeof kinds / sizeof *kinds };
static char *base;

static long place(int kind, int is_path)
{
    switch (kind) {
    case 0: return 0;
    case 1: return 0x123456789000;
    case 2: return 0x4141414141414141;
    case 3: return 0xffff800000001000;
    case 4: return (long)base + 4 * PAGE;
    case 5: return (long)base + 2 * PAGE;
    case 6: return (long)base + 7 * PAGE - 3; /* three bytes, then nothing mapped */
    case 7: return (long)base + (is_path ? PAGE : 0) + 1;
    default: return 0x7ffffffff000 - 2;
    }
}

static long call(const struct row *row, int kind)
{
    long a[6];
    for (int i = 0; i < 6; i++)
        switch (row->arguments[i]) {
        case GOOD: a[i] = (long)base + 8 * PAGE + i * PAGE; break;
        case PATH: a[i] = (long)base + PAGE; break;
        case BAD: a[i] = place(kind, 0); break;
        case BAD_PATH: a[i] = place(kind, 1); break;
        default: a[i] = row->arguments[i];
        }
    register long r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(row->number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

int main(void)
{
    static const struct itimerval soon = { { 0 }, { 0, 50000 } };
    setvbuf(stdout, malloc(1 << 20), _IOFBF, 1 << 20);
    long *result = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    base = mmap((void *)0x1000000000, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(base + PAGE, "data");
    memset(base + 6 * PAGE, 'a', PAGE);
    memset(base, 0, PAGE);
    mprotect(base + 2 * PAGE, PAGE, PROT_READ);
    mprotect(base + 4 * PAGE, PAGE, PROT_NONE);
    munmap(base + 7 * PAGE, PAGE);
    int pipes[2];
    close(0);
    open("/dev/null", O_RDONLY);
    setgroups(0, NULL);
    for (int f = 3; f < 20; f++)
        close(f);
    if (open("data", O_RDWR | O_CREAT, 0666) != 3 || write(3, base + 8 * PAGE, 100) != 100 || epoll_create1(0) != 4
        || timerfd_create(CLOCK_MONOTONIC, 0) != 5 || pipe(pipes) || write(7, "xxxxxxxx", 8) != 8 || open(".", O_RDONLY) != 8)
        return 3;
    setresuid(65534, 65534, 65534);
    for (unsigned n = 0; n < sizeof rows / sizeof *rows; n++)
        for (int kind = 0; kind < KINDS; kind++) {
            int status;
            *result = 99;
            int pid = fork();
            if (!pid) {
                lseek(3, 0, SEEK_SET);
                setitimer(ITIMER_REAL, &soon, NULL);
                long got = call(&rows[n], kind);
                *result = got < 0 && got > -4096 ? got : 0;
                __asm__ volatile("syscall" : : "a"(231), "D"(0));
            }
            if (pid < 0)
                return 4;
            waitpid(pid, &status, 0);
            printf("%s, %s %s: %ld, status %x\n", rows[n].name, rows[n].argument, kinds[kind], *result, status & 0x7f);
        }
    return 0;
}
