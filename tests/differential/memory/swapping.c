/* What MADV_PAGEOUT takes away and faults bring back, seen through smaps, status, pagemap, mincore and getrusage. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 8, PAGE = 4096, SIZE = PAGES * PAGE };
static char text[1 << 18];

static void slurp(const char *path)
{
    int f = open(path, O_RDONLY), n = 0, got;
    while ((got = read(f, text + n, sizeof text - n - 1)) > 0)
        n += got;
    text[n] = 0;
    close(f);
}

static void show(const char *what, volatile char *a)
{
    char head[40], *line;
    unsigned char resident[PAGES];
    uint64_t words[PAGES];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%-22s major %ld;", what, usage.ru_majflt);
    slurp("/proc/self/smaps");
    snprintf(head, sizeof head, "%lx-", (long)a);
    for (line = strtok(strstr(text, head), "\n"); line && strncmp(line, "VmFlags", 7); line = strtok(NULL, "\n")) {
        char label[40];
        int value;
        if (sscanf(line, "%39[^:]: %d", label, &value) == 2 && value && strncmp(line, head, strlen(head)) && !strstr(label, "Size"))
            printf(" %s %d", label, value);
    }
    slurp("/proc/self/status");
    printf("; %.20s; ", strstr(text, "VmSwap"));
    int f = open("/proc/self/pagemap", O_RDONLY);
    pread(f, words, sizeof words, (long)a / PAGE * 8);
    close(f);
    for (int i = 0; i < PAGES; i++)
        printf("%03x ", (unsigned)(words[i] >> 55) & 0x1c2);
    mincore((void *)a, SIZE, resident);
    for (int i = 0; i < PAGES; i++)
        printf("%d", resident[i] & 1);
    printf("\n");
}

static void advise(volatile char *a, long size, int advice)
{
    int result = madvise((void *)a, size, advice);
    if (result)
        printf("madvise(%d) = %d\n", advice, result);
}

static char *map(long place, int flags)
{
    return mmap((void *)place, SIZE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void in_child(volatile char *a, void (*work)(volatile char *))
{
    fflush(stdout);
    if (!fork()) {
        work(a);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
}

static void use(volatile char *a)
{
    show("child", a);
    (void)a[0];
    show("child read 0", a);
    a[PAGE] = 1;
    show("child wrote 1", a);
    advise(a, SIZE, MADV_PAGEOUT);
    show("child paged out", a);
}

static void private_memory(void)
{
    volatile char *a = map(0x1000000000, MAP_PRIVATE);
    for (int i = 0; i < 6; i++)
        a[i * PAGE] = i + 1;
    (void)a[6 * PAGE];
    show("touched", a);
    advise(a, SIZE, MADV_PAGEOUT);
    show("out", a);
    (void)a[0];
    a[PAGE] = 9;
    show("read 0, wrote 1", a);
    mprotect((void *)a, SIZE, PROT_READ);
    show("read-only", a);
    mprotect((void *)a, SIZE, PROT_READ | PROT_WRITE);
    a[0] = 8;
    show("wrote 0", a);
    advise(a, 4 * PAGE, MADV_COLD);
    show("cold", a);
    in_child(a, use);
    show("parent", a);
    a[0] = 7;
    show("parent wrote 0", a);
    advise(a, SIZE, MADV_PAGEOUT);
    show("out", a);
    in_child(a, use);
    show("parent", a);
    (void)a[2 * PAGE];
    show("parent read 2", a);
    advise(a, 2 * PAGE, MADV_DONTNEED);
    show("0 and 1 not needed", a);
    advise(a + 4 * PAGE, PAGE, MADV_FREE);
    show("4 freed", a);
    mremap((void *)a, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x1000200000);
    a = (volatile char *)0x1000200000;
    show("moved", a);
    a[5 * PAGE]++;
    printf("content %d %d\n", a[2 * PAGE], a[5 * PAGE]);
    advise(a, SIZE, MADV_PAGEOUT);
    mlock((void *)a, SIZE);
    show("locked", a);
    advise(a, SIZE, MADV_PAGEOUT);
    advise(a, SIZE, MADV_COLD);
    munmap((void *)a, SIZE);
}

static void shared_memory(void)
{
    volatile char *a = map(0x1000100000, MAP_SHARED);
    for (int i = 0; i < 4; i++)
        a[i * PAGE] = 1;
    show("shared", a);
    advise(a, SIZE, MADV_PAGEOUT);
    show("out", a);
    (void)a[0];
    a[PAGE]++;
    show("read 0, wrote 1", a);
    advise(a, SIZE, MADV_PAGEOUT);
    in_child(a, use);
    show("parent", a);
    munmap((void *)a, SIZE);
}

static void file_memory(void)
{
    char page[PAGE] = { 5 };
    int f = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < PAGES; i++)
        write(f, page, PAGE);
    fsync(f);
    volatile char *a = mmap((void *)0x1000300000, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, f, 0);
    (void)a[0];
    a[PAGE] = 1;
    show("file", a);
    advise(a + PAGE, PAGE, MADV_PAGEOUT);
    show("copy out", a);
    a[PAGE]++;
    show("copy in", a);
    printf("content %d\n", a[PAGE]);
    munmap((void *)a, SIZE);
    close(f);
}

int main(void)
{
    setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
    memset(text, 1, sizeof text);
    slurp("/proc/swaps");
    fputs(text, stdout);
    struct sysinfo information;
    sysinfo(&information);
    printf("%ld %ld\n", information.totalswap, information.freeswap);
    private_memory();
    shared_memory();
    file_memory();
    return 0;
}
