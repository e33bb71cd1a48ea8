/* The files of a process that has ended, was waited for, or has executed another program since they were opened. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *names[] = { "maps", "smaps", "smaps_rollup", "statm", "stat", "status", "limits", "cmdline", "environ", "comm",
    "auxv", "oom_score", "oom_score_adj", "personality", "pagemap", "mem" };
enum { COUNT = sizeof names / sizeof *names };
static char text[8192];
static int files[COUNT];

static void open_all(int pid)
{
    for (int i = 0; i < COUNT; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", pid, names[i]);
        files[i] = open(path, O_RDONLY);
        printf("open %s: %d\n", names[i], files[i] < 0 ? errno : 0);
    }
}

static void read_all(const char *when)
{
    for (int i = 0; i < COUNT; i++) {
        if (files[i] < 0)
            continue;
        memset(text, 0, sizeof text);
        errno = 0;
        long got = pread(files[i], text, 4096, 0);
        /* The new program's size depends on how far it has come. */
        int shown = (!strcmp(names[i], "statm") && *when != 'e') || !strncmp(names[i], "oom", 3) || !strcmp(names[i], "comm");
        printf("%s %s: %d, error %d %s\n", when, names[i], got > 0, errno, shown && got > 0 ? text : "");
    }
}

int main(int count, char **arguments)
{
    int ready[2], go[2], ended[2];
    char byte;
    if (count > 1)
        return read(0, &byte, 1) < 0;
    pipe(ready);
    pipe(go);
    setvbuf(stdout, NULL, _IONBF, 0);
    int child = fork();
    if (!child)
        _exit(3);
    siginfo_t information;
    waitid(P_PID, child, &information, WEXITED | WNOWAIT);
    open_all(child);
    read_all("zombie");
    waitpid(child, NULL, 0);
    read_all("waited for");
    child = fork();
    if (!child) {
        read(go[0], &byte, 1);
        fcntl(ready[1], F_SETFD, FD_CLOEXEC);
        dup2(go[0], 0);
        close(go[1]);
        execl("./program", "program", "again", NULL);
    }
    open_all(child);
    write(go[1], "x", 1);
    close(ready[1]);
    read(ready[0], &byte, 1);
    /* mem would show bytes of the old memory, whose place is unknown: position 0 is in nobody's area. */
    read_all("executed");
    write(go[1], "x", 1);
    waitpid(child, NULL, 0);
    return 0;
}
