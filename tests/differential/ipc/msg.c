/* System V message queues: results, errnos, choosing by type, waiting, removal. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <grp.h>
#include <unistd.h>

#define KEY 0x51a7e003
struct message { long type; char text[9000]; } m;

static void said(const char *what, long result) {
    if (result == -1) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: %ld\n", what, result);
}
static void ok(const char *what, long result) {
    if (result == -1) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: fine\n", what);
}
static int put(int id, long type, const char *text, int flags) {
    m.type = type;
    strcpy(m.text, text);
    return msgsnd(id, &m, strlen(text), flags);
}
static void take(const char *what, int id, long size, long type, int flags) {
    memset(&m, 0, sizeof m);
    long n = msgrcv(id, &m, size, type, flags);
    if (n < 0) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: %ld: type %ld '%s'\n", what, n, m.type, m.text);
}
static void state(const char *what, int id) {
    struct msqid_ds d;
    if (msgctl(id, IPC_STAT, &d) < 0) { printf("%s: %s\n", what, strerrorname_np(errno)); return; }
    printf("%s: key %x mode %o bytes %lu messages %lu limit %lu sender %d receiver %d s %d r %d c %d\n", what,
        d.msg_perm.__key, d.msg_perm.mode, (unsigned long)d.__msg_cbytes, (unsigned long)d.msg_qnum,
        (unsigned long)d.msg_qbytes, d.msg_lspid == getpid(), d.msg_lrpid == getpid(), d.msg_stime != 0,
        d.msg_rtime != 0, d.msg_ctime != 0);
}
static void nothing(int number) { (void)number; }
int main(void) {
    int status, pid;
    struct msqid_ds d;
    struct msginfo info;
    setvbuf(stdout, 0, _IOFBF, 0); /* after a fork the parent prints what it did once its child has ended */
    msgctl(msgget(KEY, 0), IPC_RMID, 0);
    ok("no such key", msgget(KEY, 0600));
    int id = msgget(KEY, IPC_CREAT | IPC_EXCL | 0640);
    ok("made", id);
    ok("again", msgget(KEY, IPC_CREAT | IPC_EXCL | 0640));
    said("found", msgget(KEY, 0) == id);
    state("new", id);
    take("empty", id, 10, 0, IPC_NOWAIT);
    said("type 0", put(id, 0, "x", 0));
    said("type -1", put(id, -1, "x", 0));
    said("bad id", put(-1, 1, "x", 0));
    said("no id", put(id + 32768, 1, "x", 0));
    m.type = 1;
    said("too long", msgsnd(id, &m, 8193, 0));
    said("length -1", msgsnd(id, &m, -1, 0));
    said("from nowhere", msgsnd(id, (void *)8, 1, 0));
    said("one", put(id, 3, "three", 0));
    said("two", put(id, 1, "one", 0));
    said("three", put(id, 2, "two", 0));
    said("four", put(id, 1, "uno", 0));
    said("empty", put(id, 9, "", 0));
    state("five", id);
    take("too small", id, 2, 0, 0);
    take("copy of 1", id, 100, 1, MSG_COPY | IPC_NOWAIT);
    take("copy, waiting", id, 100, 1, MSG_COPY);
    take("copy except", id, 100, 1, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT);
    take("copy of 20", id, 100, 20, MSG_COPY | IPC_NOWAIT);
    take("cut", id, 2, 0, MSG_NOERROR);
    take("up to 2", id, 100, -2, 0);
    take("except 1", id, 100, 1, MSG_EXCEPT);
    take("of 9", id, 0, 9, 0);
    take("of 5", id, 100, 5, IPC_NOWAIT);
    take("up to all", id, 100, LONG_MIN, 0);
    take("length -1", id, -1, 0, 0);
    take("no id", id + 32768, 10, 0, 0);
    state("empty", id);
    m.type = 5;
    memset(m.text, 'a', 8192);
    said("long", msgsnd(id, &m, 8192, IPC_NOWAIT));
    said("long", msgsnd(id, &m, 8192, IPC_NOWAIT));
    said("full", msgsnd(id, &m, 1, IPC_NOWAIT));
    said("empty one fits", msgsnd(id, &m, 0, IPC_NOWAIT));
    fflush(stdout);
    if (!(pid = fork())) { said("waited for room", put(id, 6, "late", 0)); fflush(stdout); _exit(0); }
    usleep(200000); /* until the child waits */
    said("made room", msgrcv(id, &m, 8192, 0, 0));
    waitpid(pid, &status, 0);
    said("child", status);
    while (msgrcv(id, &m, 9000, 0, IPC_NOWAIT) >= 0) printf("took type %ld\n", m.type);
    fflush(stdout);
    if (!(pid = fork())) { take("waited", id, 100, 7, 0); fflush(stdout); _exit(0); }
    usleep(200000); /* until the child waits */
    put(id, 8, "other", 0);
    put(id, 7, "mine", 0);
    take("stolen", id, 100, 7, IPC_NOWAIT);
    waitpid(pid, &status, 0);
    take("other", id, 100, 0, 0);
    fflush(stdout);
    if (!(pid = fork())) { take("waited for a short one", id, 2, 7, 0); fflush(stdout); _exit(0); }
    usleep(200000); /* until the child waits */
    put(id, 7, "long", 0);
    waitpid(pid, &status, 0);
    state("the long one stays", id);
    take("long", id, 100, 0, 0);
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGUSR1, &action, 0);
    if (!(pid = fork())) { int r = msgrcv(id, &m, 10, 0, 0); _exit(r < 0 ? errno : 5); }
    usleep(200000); /* until the child waits */
    kill(pid, SIGUSR1);
    waitpid(pid, &status, 0);
    said("interrupted", status == EINTR << 8);
    fflush(stdout);
    if (!fork()) {
        setgroups(0, 0); setgid(1000); setuid(1000);
        said("stranger sends", put(id, 1, "x", 0));
        take("stranger takes", id, 10, 0, IPC_NOWAIT);
        said("stranger stats", msgctl(id, IPC_STAT, &d));
        said("stranger removes", msgctl(id, IPC_RMID, 0));
        fflush(stdout);
        _exit(0);
    }
    wait(&status);
    msgctl(id, IPC_STAT, &d);
    d.msg_qbytes = 10;
    d.msg_perm.mode = 0606;
    said("set", msgctl(id, IPC_SET, &d));
    state("set", id);
    said("11 bytes", put(id, 1, "12345678901", IPC_NOWAIT));
    said("10 bytes", put(id, 1, "1234567890", IPC_NOWAIT));
    fflush(stdout);
    if (!fork()) {
        setgroups(0, 0); setgid(1000); setuid(1000);
        take("stranger takes", id, 10, 0, IPC_NOWAIT);
        d.msg_qbytes = 20000;
        said("stranger sets", msgctl(id, IPC_SET, &d));
        fflush(stdout);
        _exit(0);
    }
    wait(&status);
    d.msg_qbytes = 100;
    d.msg_perm.uid = -1;
    said("set uid -1", msgctl(id, IPC_SET, &d));
#ifndef __i386__ /* its glibc copies structs itself */
    said("set from nowhere", msgctl(id, IPC_SET, (void *)8));
#endif
#ifndef __i386__ /* its glibc copies structs itself */
    said("stat to nowhere", msgctl(id, IPC_STAT, (void *)8));
#endif
    said("bad command", msgctl(id, 77, &d));
    said("bad command of no id", msgctl(id + 32768, 77, &d));
    if (!(pid = fork())) { int r = msgrcv(id, &m, 10, 77, 0); _exit(r < 0 ? errno : 5); }
    usleep(200000); /* until the child waits */
    said("remove", msgctl(id, IPC_RMID, 0));
    waitpid(pid, &status, 0);
    said("removed under it", status == EIDRM << 8);
    state("gone", id);
    take("gone", id, 10, 0, 0);
    said("info", msgctl(0, IPC_INFO, (void *)&info) >= 0);
    printf("%d %d %d %d %d %d %d %d\n", info.msgpool, info.msgmap, info.msgmax, info.msgmnb, info.msgmni, info.msgssz,
        info.msgtql, info.msgseg);
    said("use", msgctl(0, MSG_INFO, (void *)&info) >= 0);
    printf("%d %d %d\n", info.msgpool, info.msgmap, info.msgtql);
    return 0;
}
