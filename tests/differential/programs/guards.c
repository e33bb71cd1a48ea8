/* guard pages: MADV_GUARD_INSTALL and MADV_GUARD_REMOVE, and what every other call does with them */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGE 4096
enum { INSTALL = 102, REMOVE = 103, COLD = 20, POPULATE_READ = 22, POPULATE_WRITE = 23, DONTUNMAP = 4 };
static sigjmp_buf environment;
static siginfo_t caught;
static void handler(int number, siginfo_t *info, void *context) { caught = *info; siglongjmp(environment, 1); }
static void say(const char *what, long result) {
    int error = errno;
    printf("%s: %ld %s\n", what, result < 0 ? -1 : result, result < 0 ? strerror(error) : "");
}
static void touch(const char *what, char *place, int writing) {
    if (sigsetjmp(environment, 1)) {
        printf("%s: signal %d code %d\n", what, caught.si_signo, caught.si_code);
        return;
    }
    if (writing) *(volatile char *)place = 1;
    printf("%s: %d\n", what, *(volatile char *)place);
}
static void pages(const char *what, char *start, int count) {
    unsigned char core[64];
    unsigned long words[64] = {0};
    int failed = mincore(start, count * PAGE, core), pagemap = open("/proc/self/pagemap", O_RDONLY);
    pread(pagemap, words, count * 8, (long)start / PAGE * 8);
    close(pagemap);
    printf("%s:", what);
    /* of a page that is there, not which frame it has */
    for (int i = 0; i < count && !failed; i++) printf(" %d/%lx", core[i], words[i] >> 63 ? words[i] >> 55 : words[i]);
    puts("");
}
static void area(const char *what, char *start) {
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[400], head[40];
    int inside = 0;
    sprintf(head, "%lx-", (long)start);
    while (fgets(line, sizeof line, smaps)) {
        if (strchr("0123456789abcdef", line[0])) inside = !strncmp(line, head, strlen(head));
        if (inside && (!strncmp(line, "Size", 4) || !strncmp(line, "Rss", 3) || !strncmp(line, "VmFlags", 7)))
            printf("%s: %s", what, line);
    }
    fclose(smaps);
}
static char *map(int count, int rights, int flags, int file) {
    char *start = mmap(0, count * PAGE, rights, flags | (file < 0 ? MAP_ANONYMOUS : 0), file, 0);
    mprotect(mmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE, PROT_EXEC); /* keeps neighbours apart */
    return start;
}
static void child(const char *what, char *start, int count) {
    int status;
    fflush(stdout);
    if (!fork()) { touch(what, start, 0); pages(what, start, count); fflush(stdout); _exit(0); }
    wait(&status);
}
int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
    setvbuf(stdout, 0, _IOFBF, 1 << 16);
    int file = open("guarded", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(file, 4 * PAGE);

    char *p = map(8, 3, MAP_PRIVATE, -1);
    p[0] = p[PAGE] = p[2 * PAGE] = 7;
    say("install", madvise(p + PAGE, 2 * PAGE, INSTALL));
    pages("installed", p, 8); area("installed", p);
    touch("read", p + PAGE, 0); touch("write", p + 2 * PAGE, 1); touch("before", p, 0); touch("behind", p + 3 * PAGE, 1);
    say("read(2)", read(file, p + PAGE, 1)); say("write(2)", write(file, p + PAGE, 1));
    say("dontneed", madvise(p, 8 * PAGE, MADV_DONTNEED)); pages("dontneed", p, 8); touch("dontneed", p + PAGE, 0);
    say("remove", madvise(p, 8 * PAGE, REMOVE)); touch("removed", p + PAGE, 0); pages("removed", p, 8); area("removed", p);
    say("all", madvise(p, 8 * PAGE, INSTALL)); say("twice", madvise(p, 8 * PAGE, INSTALL));
    say("free", madvise(p, 8 * PAGE, MADV_FREE)); say("willneed", madvise(p, 8 * PAGE, MADV_WILLNEED)); say("cold", madvise(p, 8 * PAGE, COLD));
    pages("still", p, 8);
    say("populate, reading", madvise(p, PAGE, POPULATE_READ)); say("populate, writing", madvise(p, PAGE, POPULATE_WRITE));
    say("lock", mlock(p, PAGE)); area("locked", p);
    say("install in locked", madvise(p, PAGE, INSTALL)); say("remove in locked", madvise(p, PAGE, REMOVE)); say("unlock", munlock(p, 8 * PAGE));
    say("protect", mprotect(p, 2 * PAGE, PROT_NONE)); touch("no rights", p + PAGE, 0); say("unprotect", mprotect(p, 2 * PAGE, 3)); touch("rights", p + PAGE, 1);
    area("merged", p); child("child", p + PAGE, 7);
    char *moved = mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
    touch("moved", moved + PAGE, 0); touch("grown", moved + 9 * PAGE, 0); pages("moved", moved, 10);
    char *left = mremap(moved, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | DONTUNMAP, 0);
    touch("left behind", moved + PAGE, 0); touch("taken along", left + PAGE, 0);
    mmap(left, 2 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    touch("replaced", left + PAGE, 1); touch("not replaced", left + 2 * PAGE, 1);

    char *shared = map(4, 3, MAP_SHARED, file);
    shared[0] = 5;
    say("in a file", madvise(shared, 2 * PAGE, INSTALL)); pages("in a file", shared, 4); area("in a file", shared); touch("in a file", shared, 0);
    child("child, shared", shared, 4);
    say("removed", madvise(shared, PAGE, REMOVE)); touch("what was written", shared, 0);
    ftruncate(file, 0); touch("guard beyond the end", shared + PAGE, 0); touch("beyond the end", shared + 2 * PAGE, 0);
    ftruncate(file, 4 * PAGE); touch("file is longer", shared + PAGE, 0); touch("no guard", shared + 2 * PAGE, 0);
    say("punch", madvise(shared, 4 * PAGE, MADV_REMOVE)); touch("punched", shared + PAGE, 0);
    char *private = map(4, 3, MAP_PRIVATE, file);
    private[3 * PAGE] = 1;
    say("private", madvise(private, 2 * PAGE, INSTALL)); touch("private", private, 1); touch("around", private + 2 * PAGE, 0); area("private", private);
    child("child, private", private, 4);
    char *segment = map(4, 3, MAP_SHARED, -1);
    segment[0] = 9;
    say("segment", madvise(segment, 2 * PAGE, INSTALL)); child("child, segment", segment, 4);
    say("segment", madvise(segment, 2 * PAGE, REMOVE)); touch("segment", segment, 0);

    char *none = map(4, 0, MAP_PRIVATE, -1);
    say("without rights", madvise(none, 2 * PAGE, INSTALL)); touch("without rights", none, 0);
    say("odd", madvise(none + 1, PAGE, INSTALL)); say("nothing", madvise(none, 0, INSTALL));
    munmap(segment + 2 * PAGE, PAGE);
    say("hole", madvise(segment, 4 * PAGE, INSTALL)); touch("behind the hole", segment + 3 * PAGE, 0);
    char *wiped = map(4, 3, MAP_PRIVATE, -1);
    say("wiped", madvise(wiped, 2 * PAGE, INSTALL)); say("wiped", madvise(wiped, 4 * PAGE, MADV_WIPEONFORK)); child("child, wiped", wiped, 4);
    mlockall(MCL_FUTURE);
    say("locked", madvise(map(2, 3, MAP_PRIVATE, -1), PAGE, INSTALL));
    unlink("guarded");
    return 0;
}
