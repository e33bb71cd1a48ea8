/* Which promises of memory are made, and what each adds to Committed_AS, in steps of half a GiB. */
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

#define G (1L << 30)
static long last;
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
    long now = committed(), halves = (now - last + (1 << 18) + (1 << 30)) / (1 << 19) - (1 << 11);
    printf("%-40s %s (%d) %+ld/2 GiB\n", what, result == -1 ? "refused" : "done", error, halves);
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

int main(void)
{
    setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
    last = committed();
    long one = map("1 GiB private", G, RW, PRIVATE, -1);
    tell("grown to 2", (long)mremap((void *)one, G, 2 * G, MREMAP_MAYMOVE) == -1 ? -1 : 0);
    map("8 GiB private", 8 * G, RW, PRIVATE, -1);
    map("8 GiB private, not reserved", 8 * G, RW, PRIVATE | MAP_NORESERVE, -1);
    map("64 TiB private", 65536 * G, RW, PRIVATE, -1);
    map("64 TiB private, not reserved", 65536 * G, RW, PRIVATE | MAP_NORESERVE, -1);
    long view = map("8 GiB to read", 8 * G, PROT_READ, PRIVATE, -1);
    tell("all of it writable", mprotect((void *)view, 8 * G, RW));
    tell("1 GiB of it writable", mprotect((void *)view, G, RW));
    tell("read-only again, untouched", mprotect((void *)view, G, PROT_READ));
    tell("writable again", mprotect((void *)view, G, RW));
    *(char *)view = 1;
    tell("read-only again, touched", mprotect((void *)view, G, PROT_READ));
    tell("unmapped", munmap((void *)view, 8 * G));
    map("8 GiB shared", 8 * G, RW, SHARED, -1);
    map("8 GiB shared, not reserved", 8 * G, RW, SHARED | MAP_NORESERVE, -1);
    long shared = map("1 GiB shared", G, RW, SHARED, -1);
    tell("half of it unmapped", munmap((void *)shared, G / 2));
    tell("the other half", munmap((void *)(shared + G / 2), G / 2));
    map("1 GiB shared to read", G, PROT_READ, SHARED, -1);
    tell("fork with 2 GiB private, some shared", child());
    int f = open("data", O_RDWR | O_CREAT, 0600);
    ftruncate(f, 16 * G);
    map("1 GiB of a file, private", G, RW, MAP_PRIVATE, f);
    map("8 GiB of a file, private", 8 * G, RW, MAP_PRIVATE, f);
    map("8 GiB of a file, private to read", 8 * G, PROT_READ, MAP_PRIVATE, f);
    map("8 GiB of a file, shared", 8 * G, RW, MAP_SHARED, f);
    tell("fork with 3 GiB private", child());
    int m = memfd_create("m", 0);
    tell("memfd", ftruncate(m, 16 * G));
    map("8 GiB of it, shared", 8 * G, RW, MAP_SHARED, m);
    char *end = sbrk(0);
    tell("break + 8 GiB", brk(end + 8 * G));
    tell("break back", brk(end));
    int s = tell("segment of 8 GiB", shmget(IPC_PRIVATE, 8 * G, IPC_CREAT | 0600));
    if (s >= 0)
        tell("removed", shmctl(s, IPC_RMID, NULL));
    s = tell("segment of half a GiB", shmget(IPC_PRIVATE, G / 2, IPC_CREAT | 0600));
    if (s >= 0)
        tell("removed", shmctl(s, IPC_RMID, NULL));
    s = tell("segment of 8 GiB, not reserved", shmget(IPC_PRIVATE, 8 * G, IPC_CREAT | SHM_NORESERVE | 0600));
    if (s >= 0)
        tell("removed", shmctl(s, IPC_RMID, NULL));
    return 0;
}
