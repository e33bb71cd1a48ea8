/* Reads /proc/self/maps and smaps in pieces of many sizes and tells what each call gave. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char text[1 << 20];
static const char *files[] = { "/proc/self/maps", "/proc/self/smaps", "/proc/self/smaps_rollup",
    "/proc/self/statm", "/proc/self/oom_score_adj", "/proc/self/cmdline", "/proc/self/comm",
    "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/shmmax", "/proc/sys/kernel/sem", "/proc/sysvipc/shm" };
static const int sizes[] = { 1 << 20, 70000, 20000, 8192, 5000, 4097, 4096, 4095, 3000, 1111, 1024, 700, 133 };

/* A long way down, so that one line of maps is longer than a page. */
static void map_deep_file(void)
{
    char name[201], here[8192];
    memset(name, 'd', 200);
    name[200] = 0;
    do {
        mkdir(name, 0755);
        if (chdir(name))
            exit(3);
    } while (strlen(getcwd(here, sizeof here)) + 202 < 4000);
    memset(name + 4, 0, 196);
    int f = open(name, O_RDWR | O_CREAT, 0644);
    if (ftruncate(f, 8192) || mmap((void *)0x1000100000, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, f, 0) == MAP_FAILED)
        exit(4);
    close(f);
}

static void whole(int f, int size)
{
    long got;
    lseek(f, 0, SEEK_SET);
    printf("read(%d):", size);
    while ((got = read(f, text, size)) > 0)
        printf(" %ld", got);
    printf(" %ld\n", got);
}

static void at(int f, long size, long offset)
{
    long got = pread(f, text, size, offset);
    printf("pread(%ld, %ld) = %ld %.8s\n", size, offset, got, got > 8 ? text : "");
}

static void seek(int f, long offset, int whence)
{
    long place = lseek(f, offset, whence);
    int error = place < 0 ? errno : 0;
    memset(text, 0, 16);
    long got = read(f, text, 2000);
    printf("lseek(%ld, %d) = %ld (%d), then read(2000) = %ld %.8s\n", offset, whence, place, error, got, got > 8 ? text : "");
}

int main(void)
{
    setvbuf(stdout, malloc(1 << 16), _IOFBF, 1 << 16);
    memset(text, 1, sizeof text); /* resident from the beginning: smaps is the same each time */
    for (long i = 0; i < 60; i++)
        mmap((void *)(0x1000000000 + i * 4096), 4096, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    map_deep_file();
    for (unsigned n = 0; n < sizeof files / sizeof *files; n++) {
        printf("%s\n", files[n]);
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            if (n > 1 && sizes[i] < 700)
                continue;
            int f = open(files[n], O_RDONLY);
            whole(f, sizes[i]);
            whole(f, 900); /* with the buffer as large as the first round made it */
            close(f);
        }
        int f = open(files[n], O_RDONLY);
        at(f, 100, 0);
        at(f, 100, 50);
        at(f, 5000, 3000);
        at(f, 100, 4096);
        at(f, 1000, 1 << 20);
        at(f, 1, 0);
        at(f, 20000, 1);
        at(f, 0, 5);
        seek(f, 5000, SEEK_SET);
        seek(f, 1, SEEK_CUR);
        seek(f, 0, SEEK_CUR);
        seek(f, -1, SEEK_SET);
        seek(f, -100000, SEEK_CUR);
        seek(f, 0, SEEK_END);
        seek(f, 3, SEEK_DATA);
        seek(f, 100000, SEEK_SET);
        seek(f, 1L << 40, SEEK_SET);
        seek(f, 0, SEEK_SET);
        close(f);
    }
    /* Areas that come and go while the file is read. */
    for (int n = 0; n < 2; n++) {
        int f = open(files[n], O_RDONLY);
        printf("changing %ld", (long)read(f, text, 3000));
        munmap((void *)0x1000000000, 60 * 4096);
        printf(" %ld", (long)read(f, text, 3000));
        mmap((void *)0x1000030000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        for (int i = 0; i < 9; i++)
            printf(" %ld", (long)read(f, text, 3000));
        puts("");
        close(f);
    }
    return 0;
}
