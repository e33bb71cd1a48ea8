/* fork, exit statuses, signals to children, wait4 and waitid, pipes between relatives */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <errno.h>

static void report(const char *what, int status) {
    if (WIFEXITED(status)) printf("%s: exited %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) printf("%s: killed %d core %d\n", what, WTERMSIG(status), !!WCOREDUMP(status));
    else if (WIFSTOPPED(status)) printf("%s: stopped %d\n", what, WSTOPSIG(status));
    else if (WIFCONTINUED(status)) printf("%s: continued\n", what);
}

int main(void) {
    int status, fds[2];
    setvbuf(stdout, NULL, _IONBF, 0);
    pid_t pid = fork();
    if (!pid) _exit(42);
    printf("same child: %d\n", waitpid(pid, &status, 0) == pid);
    report("exit", status);
    pid = fork();
    if (!pid) { volatile int *p = 0; *p = 1; }
    waitpid(pid, &status, 0);
    report("segv", status & ~0x80);
    pid = fork();
    if (!pid) { for (;;) pause(); }
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    report("term", status);
    pipe(fds);
    pid = fork();
    if (!pid) { char go; raise(SIGSTOP); read(fds[0], &go, 1); _exit(9); }  /* not before it was seen to go on */
    waitpid(pid, &status, WUNTRACED);
    report("stop", status);
    kill(pid, SIGCONT);
    waitpid(pid, &status, WCONTINUED);
    report("cont", status);
    write(fds[1], "!", 1);
    close(fds[0]);
    close(fds[1]);
    waitpid(pid, &status, 0);
    report("after", status);
    pipe(fds);
    pid = fork();
    if (!pid) {
        close(fds[0]);
        dup2(fds[1], 1);
        printf("through the pipe\n");
        _exit(0);
    }
    close(fds[1]);
    char buffer[100];
    ssize_t n, total = 0;
    while ((n = read(fds[0], buffer + total, sizeof buffer - total)) > 0) total += n;
    printf("got %zd: %.*s", total, (int)total, buffer);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    printf("waitid %d\n", waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    printf("code %d status %d mine %d\n", info.si_code, info.si_status, info.si_pid == pid);
    printf("again %d\n", waitpid(pid, &status, 0) == pid);
    printf("none %d %d\n", wait(&status), errno == ECHILD);
    close(fds[0]);
    pipe(fds);
    close(fds[0]);
    signal(SIGPIPE, SIG_IGN);
    printf("epipe %d\n", write(fds[1], "x", 1) < 0 && errno == EPIPE);
    pid = vfork();
    if (!pid) _exit(5);
    waitpid(pid, &status, 0);
    report("vfork", status);
    pid = vfork();
    if (!pid) { execl("/bin/echo", "echo", "from", "exec", NULL); _exit(127); }
    waitpid(pid, &status, 0);
    report("exec", status);
    printf("system %d\n", system("exit 3") >> 8);
    printf("nohang %d\n", waitpid(-1, &status, WNOHANG));
    return 0;
}
