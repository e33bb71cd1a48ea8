/* Five processes fill 32 MiB up; their parent tells which of them were killed for it before it ended the rest. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void adjust(const char *value)
{
    int f = open("/proc/self/oom_score_adj", O_WRONLY);
    if (write(f, value, strlen(value)) < 0)
        _exit(9);
    close(f);
}

static void fill(long megabytes, long more, int ready)
{
    char *a = mmap(NULL, (megabytes + more) << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i < megabytes << 20; i += 4096)
        a[i] = 1;
    write(ready, "x", 1);
    for (long i = megabytes << 20; i < (megabytes + more) << 20; i += 4096)
        a[i] = 1;
    if (more)
        write(ready, "x", 1);
    for (;;)
        pause();
}

int main(void)
{
    static const struct { const char *name, *adjustment; long megabytes, more; } children[] = {
        { "small", "0", 2, 0 }, { "big", "0", 12, 0 }, { "middle", "0", 10, 0 }, { "offered", "800", 3, 0 },
        { "greedy", "0", 1, 16 },
    };
    enum { COUNT = sizeof children / sizeof *children };
    int pids[COUNT], ready[2];
    char byte;
    setvbuf(stdout, NULL, _IONBF, 0);
    pipe(ready);
    for (int i = 0; i < COUNT; i++) {
        pids[i] = fork();
        if (!pids[i]) {
            adjust(children[i].adjustment);
            fill(children[i].megabytes, children[i].more, ready[1]);
        }
        read(ready[0], &byte, 1);
    }
    read(ready[0], &byte, 1);
    for (int i = 0; i < COUNT; i++) {
        int status;
        kill(pids[i], SIGTERM);
        waitpid(pids[i], &status, 0);
        printf("%s: signal %d\n", children[i].name, WTERMSIG(status));
    }
    return 0;
}
