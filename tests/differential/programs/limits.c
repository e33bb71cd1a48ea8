/* limits and refusals: descriptors, path lengths, arguments, text busy, script depth, waiting for nobody */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
static void say(const char *what, long result) {
    int error = errno;
    printf("%s: %ld %s\n", what, result < 0 ? -1 : result, result < 0 ? strerror(error) : "");
}
static void script(const char *name, const char *text) {
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    write(fd, text, strlen(text));
    close(fd);
}
static void run(const char *what, char *const argv[], char *const envp[]) {
    fflush(stdout);
    if (!fork()) {
        execve(argv[0], argv, envp);
        printf("%s: %s\n", what, strerror(errno));
        fflush(stdout);
        _exit(126);
    }
    int status;
    wait(&status);
    printf("%s status %x\n", what, status);
}
int main(int argc, char **argv) {
    char *none[] = {NULL};
    char folder[] = "limitsXXXXXX";
    say("folder", mkdtemp(folder) && !chdir(folder));
    struct rlimit limit = {100, 100};
    say("rlimit", setrlimit(RLIMIT_NOFILE, &limit));
    int count = 0, last = -1, fd;
    while ((fd = dup(1)) >= 0) { last = fd; count++; }
    say("too many", fd);
    printf("last %d\n", last);
    for (fd = 3; fd < 100; fd++) close(fd);
    say("dup2 beyond", dup2(1, 100));
    char *deep = malloc(400000);
    deep[0] = 0;
    for (int i = 0; i < 100000; i++) memcpy(deep + 2 * i, "a/", 3);
    say("deep path", open(deep, O_RDONLY));
    deep[4095] = 0;
    say("4095", open(deep, O_RDONLY));
    deep[4096] = 0; deep[4095] = 'x';
    char *dots = malloc(5000);
    for (int i = 0; i < 2000; i++) memcpy(dots + 2 * i, "./", 3);
    say("dots", open(dots, O_RDONLY | O_DIRECTORY) >= 0);
    script("plain", "just text\n");
    run("no magic", (char *[]){"./plain", NULL}, none);
    chmod("plain", 0644);
    run("no x", (char *[]){"./plain", NULL}, none);
    run("directory", (char *[]){"/tmp", NULL}, none);
    run("missing", (char *[]){"./nothing", NULL}, none);
    script("s1", "#!/bin/echo one two three\nrest\n");
    run("script", (char *[]){"./s1", "argument", NULL}, none);
    script("s2", "#! ./s1  \n");
    run("script of script", (char *[]){"./s2", "x", NULL}, none);
    script("loop", "#!./loop\n");
    run("script loop", (char *[]){"./loop", NULL}, none);
    script("bad", "#!/no/such/interpreter\n");
    run("bad interpreter", (char *[]){"./bad", NULL}, none);
    script("empty", "#!   \n");
    run("empty line", (char *[]){"./empty", NULL}, none);
    char *big = malloc(200000);
    memset(big, 'b', 199999);
    big[199999] = 0;
    run("long argument", (char *[]){"/bin/echo", big, NULL}, none);
    big[131071] = 0;
    char *many[80];
    for (int i = 0; i < 79; i++) many[i] = big;
    many[0] = "/bin/echo";
    many[79] = NULL;
    run("many arguments", many, none);
    int busy = open("/proc/self/exe", O_WRONLY);
    say("text busy", busy);
    int copy = open("copy", O_CREAT | O_RDWR, 0755);
    run("open for writing", (char *[]){"./copy", NULL}, none);
    close(copy);
    run("empty file", (char *[]){"./copy", NULL}, none);
    struct iovec v[1] = {{big, 10}};
    say("iov", writev(1, v, 2000));
    say("negative", writev(1, v, -1));
    say("wait", wait(NULL));
    say("kill nobody", kill(999999, 0));
    say("pipe", pipe((int *)1));
    limit.rlim_cur = 1000;
    limit.rlim_max = 5000;
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(25, SIG_IGN);
    int small = open("small", O_CREAT | O_RDWR, 0644);
    say("first", write(small, big, 900));
    say("partial", write(small, big, 900));
    say("efbig", write(small, big, 900));
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, 5000});
    fflush(stdout);
    chdir("..");
    char command[100];
    limit.rlim_cur = limit.rlim_max = 5000;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) != 0;
}
