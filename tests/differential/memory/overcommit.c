/* Which promises of memory are made, and what each adds to Committed_AS, in halves of a unit: as many GiB as argument 1 says. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static long unit, last;
static char text[1 << 14];

static long committed(void)
{
    int f = open("/proc/meminfo", O_RDONLY), n = read(f, text, sizeof text - 1);
    text[n] = 0;
    close(f);
    return atol(strstr(text, "Committed_AS:") + 13);
}

static long tell(const char *what, long result)
{
    int error = result == -1 ? errno : 0;
    long now = committed(), half = unit >> 11, halves = (now - last + half / 2 + 2048 * half) / half - 2048;
    printf("%-40s %s (%d) %+ld/2\n", what, result == -1 ? "refused" : "done", error, halves);
    last = now;
    return result;
}

static long map(const char *what, long size, int prot, int flags, int f)
{
    return tell(what, (long)mmap(NULL, size, prot, flags, f, 0));
}

static long child(void)
{
    int pid = fork();
    if (!pid)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid;
}

enum { RW = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS, SHARED = MAP_SHARED | MAP_ANONYMOUS };

int main(int count, char **arguments)
{
    unit = atol(arguments[1]) << 30;
    setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
    last = committed();
    long one = map("1 unit private", unit, RW, PRIVATE, -1);
    tell("grown to 2", (long)mremap((void *)one, unit, 2 * unit, MREMAP_MAYMOVE) == -1 ? -1 : 0);
    map("8 units private", 8 * unit, RW, PRIVATE, -1);
    map("8 units private, not reserved", 8 * unit, RW, PRIVATE | MAP_NORESERVE, -1);
    map("64 TiB private", 1L << 46, RW, PRIVATE, -1);
    map("64 TiB private, not reserved", 1L << 46, RW, PRIVATE | MAP_NORESERVE, -1);
    long view = map("8 units to read", 8 * unit, PROT_READ, PRIVATE, -1);
    tell("all of it writable", mprotect((void *)view, 8 * unit, RW));
    tell("1 unit of it writable", mprotect((void *)view, unit, RW));
    tell("read-only again, untouched", mprotect((void *)view, unit, PROT_READ));
    tell("writable again", mprotect((void *)view, unit, RW));
    *(char *)view = 1;
    tell("read-only again, touched", mprotect((void *)view, unit, PROT_READ));
    tell("unmapped", munmap((void *)view, 8 * unit));
    map("8 units shared", 8 * unit, RW, SHARED, -1);
    map("8 units shared, not reserved", 8 * unit, RW, SHARED | MAP_NORESERVE, -1);
    long shared = map("1 unit shared", unit, RW, SHARED, -1);
    tell("half of it unmapped", munmap((void *)shared, unit / 2));
    tell("the other half", munmap((void *)(shared + unit / 2), unit / 2));
    map("1 unit shared to read", unit, PROT_READ, SHARED, -1);
    tell("fork with 2 units private, some shared", child());
    int f = open("data", O_RDWR | O_CREAT, 0600);
    ftruncate(f, 16 * unit);
    map("1 unit of a file, private", unit, RW, MAP_PRIVATE, f);
    map("8 units of a file, private", 8 * unit, RW, MAP_PRIVATE, f);
    map("8 units of a file, private to read", 8 * unit, PROT_READ, MAP_PRIVATE, f);
    map("8 units of a file, shared", 8 * unit, RW, MAP_SHARED, f);
    tell("fork with 3 units private", child());
    int m = memfd_create("m", 0);
    tell("memfd", ftruncate(m, 16 * unit));
    map("8 units of it, shared", 8 * unit, RW, MAP_SHARED, m);
    char *end = sbrk(0);
    tell("break + 8 units", brk(end + 8 * unit));
    tell("break back", brk(end));
    int s = tell("segment of 8 units", shmget(IPC_PRIVATE, 8 * unit, IPC_CREAT | 0600));
    if (s >= 0)
        tell("removed", shmctl(s, IPC_RMID, NULL));
    s = tell("segment of half a units", shmget(IPC_PRIVATE, unit / 2, IPC_CREAT | 0600));
    if (s >= 0)
        tell("removed", shmctl(s, IPC_RMID, NULL));
    s = tell("segment of 8 units, not reserved", shmget(IPC_PRIVATE, 8 * unit, IPC_CREAT | SHM_NORESERVE | 0600));
    if (s >= 0)
        tell("removed", shmctl(s, IPC_RMID, NULL));
    return 0;
}
