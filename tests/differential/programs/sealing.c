/* mseal: what may no longer be done to areas, and what still may */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define PAGE 4096
static void say(const char *what, long result) {
    int error = errno;
    printf("%s: %s\n", what, result < 0 ? strerror(error) : "fine");
}
static long seal(void *start, unsigned long length, unsigned long flags) { return syscall(462, start, length, flags); }
static void areas(const char *what, char *start, int count) {
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[400], rights[8];
    unsigned long first, last;
    int inside = 0;
    puts(what);
    while (fgets(line, sizeof line, smaps)) {
        if (sscanf(line, "%lx-%lx %4s", &first, &last, rights) == 3) {
            inside = first < (unsigned long)start + count * PAGE && last > (unsigned long)start;
            if (inside) printf(" %ld-%ld %s", (long)(first - (unsigned long)start) / PAGE, (long)(last - (unsigned long)start) / PAGE, rights);
        }
        if (inside && (!strncmp(line, "VmFlags", 7) || !strncmp(line, "Rss", 3))) printf("  %s", line);
    }
    fclose(smaps);
}
static char *room(void) { return mmap(0, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static char *map(int count, int rights, int flags, int file) {
    return mmap(room() + 32 * PAGE, count * PAGE, rights, flags | MAP_FIXED | (file < 0 ? MAP_ANONYMOUS : 0), file, 0);
}
static int advice[] = {0, 4, 8, 9, 10, 11, 16, 18, 19, 20, 22, 23, 24, 102, 103};
static void advise(const char *what, char *start) {
    for (int i = 0; i < (int)(sizeof advice / sizeof *advice); i++) {
        printf("%s %d ", what, advice[i]);
        say("advice", madvise(start, PAGE, advice[i]));
    }
}
int main(void) {
    setvbuf(stdout, 0, _IOFBF, 1 << 16);
    int file = open("sealed", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(file, 4 * PAGE);
    char *p = map(8, 3, MAP_PRIVATE, -1);
    say("flags", seal(p, PAGE, 1)); say("odd", seal(p + 1, PAGE, 0)); say("nothing", seal(p, 0, 0)); say("nothing unmapped", seal((void *)PAGE, 0, 0));
    say("wraps", seal(p, -PAGE, 0)); say("rounds to nothing", seal(p, -1, 0)); say("hole", seal((void *)PAGE, PAGE, 0));
    munmap(p + 7 * PAGE, PAGE);
    say("into a hole", seal(p + 4 * PAGE, 4 * PAGE, 0)); areas("nothing was sealed", p, 7);
    say("seal", seal(p + 2 * PAGE, 2 * PAGE - 5, 0)); areas("sealed", p, 7); say("again", seal(p + 2 * PAGE, 2 * PAGE, 0));
    say("unmap", munmap(p, 7 * PAGE)); areas("all is there", p, 7);
    say("unmap beside", munmap(p, PAGE));
    say("replace", (long)mmap(p + PAGE, 2 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == -1 ? -1 : 0);
    say("protect", mprotect(p + PAGE, 2 * PAGE, PROT_READ)); say("the same", mprotect(p + 2 * PAGE, PAGE, 3)); areas("half", p + PAGE, 6);
    say("move", (long)mremap(p + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == -1 ? -1 : 0);
    say("shrink", (long)mremap(p + 2 * PAGE, 2 * PAGE, PAGE, 0) == -1 ? -1 : 0);
    say("onto", (long)mremap(p + 5 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * PAGE) == -1 ? -1 : 0);
    p[2 * PAGE] = 1; say("lock", mlock(p + 2 * PAGE, PAGE)); say("unlock", munlock(p + 2 * PAGE, PAGE)); say("sync", msync(p + 2 * PAGE, PAGE, MS_SYNC));
    advise("writable", p + 2 * PAGE);
    char *q = map(2, 3, MAP_PRIVATE, -1);
    q[0] = 1; mprotect(q, 2 * PAGE, PROT_READ); seal(q, 2 * PAGE, 0); advise("read-only", q); areas("read-only", q, 2);
    char *s = map(2, 1, MAP_SHARED, file);
    seal(s, 2 * PAGE, 0); advise("shared file", s);
    char *r = map(2, 1, MAP_PRIVATE, file);
    seal(r, 2 * PAGE, 0); advise("private file", r);
    char *c = map(2, 3, MAP_PRIVATE, file);
    c[0] = 1; mprotect(c, 2 * PAGE, PROT_READ); seal(c, 2 * PAGE, 0); advise("changed private file", c);
    char *h = sbrk(0);
    sbrk(4 * PAGE); seal((char *)((unsigned long)(h + PAGE) & -PAGE), 2 * PAGE, 0);
    printf("heap %d\n", syscall(SYS_brk, h) == (long)h);
    unlink("sealed");
    return 0;
}
