/* System V semaphores: results, errnos, undo, waiting, removal. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>
#include <grp.h>
#include <unistd.h>

#define KEY 0x51a7e002
union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };

static void said(const char *what, long result) {
    if (result == -1) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: %ld\n", what, result);
}
static void ok(const char *what, long result) {
    if (result == -1) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: fine\n", what);
}
static int op(int id, int number, int change, int flags) {
    struct sembuf one = {number, change, flags};
    return semop(id, &one, 1);
}
static void values(const char *what, int id) {
    unsigned short all[4] = {9, 9, 9, 9};
    union semun u = {.array = all};
    struct semid_ds d;
    long got = semctl(id, 0, GETALL, u);
    u.buf = &d;
    long stat = semctl(id, 0, IPC_STAT, u);
    printf("%s: %ld: %d %d %d; stat %ld key %x mode %o size %lu o %d c %d\n", what, got, all[0], all[1], all[2], stat,
        d.sem_perm.__key, d.sem_perm.mode, (unsigned long)d.sem_nsems, d.sem_otime != 0, d.sem_ctime != 0);
}
static void nothing(int number) { (void)number; }
static void until(int id, int command, int number, int wanted) {
    while (semctl(id, number, command) != wanted) usleep(1000);
}
int main(void) {
    int status, pid;
    union semun u;
    struct semid_ds d;
    struct seminfo info;
    setvbuf(stdout, 0, _IOLBF, 0);
    semctl(semget(KEY, 0, 0), 0, IPC_RMID);
    ok("no such key", semget(KEY, 1, 0600));
    ok("size 0", semget(KEY, 0, IPC_CREAT | 0600));
    ok("size -1", semget(KEY, -1, IPC_CREAT | 0600));
    ok("size 32001", semget(KEY, 32001, IPC_CREAT | 0600));
    int id = semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0640);
    ok("made", id);
    ok("again", semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0640));
    said("found", semget(KEY, 0, 0) == id);
    said("more", semget(KEY, 4, 0));
    values("new", id);
    said("getpid", semctl(id, 0, GETPID));
    said("up 5", op(id, 0, 5, 0));
    said("getpid", semctl(id, 0, GETPID) == getpid());
    said("down 2", op(id, 0, -2, 0));
    said("down 4 no wait", op(id, 0, -4, IPC_NOWAIT));
    said("zero no wait", op(id, 0, 0, IPC_NOWAIT));
    said("zero of 1", op(id, 1, 0, 0));
    said("no semaphore", op(id, 3, 1, 0));
    said("no set", op(id + 32768, 0, 1, 0));
    said("set -1", op(-1, 0, 1, 0));
    said("no operations", semop(id, 0, 0));
    said("too many", semop(id, (void *)8, 501));
    said("from nowhere", semop(id, (void *)8, 1));
    said("beyond", op(id, 0, 32767, 0));
    struct sembuf some[4] = {{0, -3, 0}, {1, 2, 0}, {2, -1, IPC_NOWAIT}, {0, 1, 0}};
    said("all or nothing", semop(id, some, 4));
    values("nothing", id);
    some[2].sem_op = 1;
    said("all", semop(id, some, 4));
    values("all", id);
    struct sembuf twice[2] = {{0, -1, 0}, {0, 0, IPC_NOWAIT}};
    said("the same twice", semop(id, twice, 2));
    values("twice", id);
    struct timespec little = {0, 20000000}, bad = {0, -1};
    struct sembuf one = {0, -1, 0};
    said("timed out", semtimedop(id, &one, 1, &little));
    said("bad time", semtimedop(id, &one, 1, &bad));
#ifndef __i386__ /* its glibc copies structs itself */
    said("time from nowhere", semtimedop(id, &one, 1, (void *)8));
#endif
    said("setval", (u.val = 7, semctl(id, 1, SETVAL, u)));
    said("setval beyond", (u.val = 32768, semctl(id, 1, SETVAL, u)));
    said("setval -1", (u.val = -1, semctl(id, 1, SETVAL, u)));
    said("setval of none", (u.val = 1, semctl(id, 3, SETVAL, u)));
    said("getval", semctl(id, 1, GETVAL));
    said("getval of none", semctl(id, 3, GETVAL));
    said("getval of -1", semctl(id, -1, GETVAL));
    said("bad command", semctl(id, 0, 77));
    said("bad command of no set", semctl(id + 32768, 0, 77));
#ifndef __i386__ /* its glibc copies structs itself */
    said("getall to nowhere", (u.array = (void *)8, semctl(id, 0, GETALL, u)));
#endif
#ifndef __i386__ /* its glibc copies structs itself */
    said("setall from nowhere", (u.array = (void *)8, semctl(id, 0, SETALL, u)));
#endif
    unsigned short wrong[3] = {1, 2, 40000}, right[3] = {0, 2, 3};
    said("setall beyond", (u.array = wrong, semctl(id, 0, SETALL, u)));
    values("as before", id);
    said("setall", (u.array = right, semctl(id, 0, SETALL, u)));
    values("set", id);

    if (!(pid = fork())) _exit(op(id, 0, -1, 0) ? errno : 3);
    until(id, GETNCNT, 0, 1);
    said("waits for zero", semctl(id, 0, GETZCNT));
    op(id, 0, 1, 0);
    said("handed over at once", op(id, 0, -1, IPC_NOWAIT));
    waitpid(pid, &status, 0);
    said("child", status);
    said("child's pid", semctl(id, 0, GETPID) == pid);

    if (!(pid = fork())) _exit(op(id, 2, 0, 0) ? errno : 4);
    until(id, GETZCNT, 2, 1);
    said("waits for more", semctl(id, 2, GETNCNT));
    op(id, 2, -3, 0);
    waitpid(pid, &status, 0);
    said("child", status);

    if (!(pid = fork())) { op(id, 0, 10, SEM_UNDO); op(id, 1, -2, SEM_UNDO); op(id, 1, 1, 0); _exit(0); }
    waitpid(pid, &status, 0);
    values("undone", id);
    said("undone by", semctl(id, 0, GETPID) == pid);
    if (!(pid = fork())) { op(id, 0, 5, SEM_UNDO); op(id, 0, -4, 0); _exit(0); }
    waitpid(pid, &status, 0);
    values("undone to 0 at least", id);
    if (!(pid = fork())) {
        op(id, 0, 5, SEM_UNDO);
        u.val = 2;
        semctl(id, 0, SETVAL, u);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    values("setval forgets undo", id);
    if (!(pid = fork())) { op(id, 0, 1, SEM_UNDO); kill(getpid(), SIGKILL); }
    waitpid(pid, &status, 0);
    values("killed", id);
    said("undo beyond", op(id, 0, 32766, SEM_UNDO));
    op(id, 0, -2, 0);

    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, 0);
    if (!(pid = fork())) { int r = op(id, 0, -30000, 0); _exit(r ? errno : 5); }
    until(id, GETNCNT, 0, 1);
    kill(pid, SIGUSR1);
    waitpid(pid, &status, 0);
    said("interrupted", status == EINTR << 8);
    said("none waits", semctl(id, 0, GETNCNT));

    fflush(stdout);
    if (!fork()) {
        setgroups(0, 0); setgid(1000); setuid(1000);
        said("stranger", op(id, 0, 1, 0));
        said("stranger zero", op(id, 0, 0, IPC_NOWAIT));
        said("stranger getval", semctl(id, 0, GETVAL));
        said("stranger setval", (u.val = 0, semctl(id, 0, SETVAL, u)));
        said("stranger removes", semctl(id, 0, IPC_RMID));
        said("stranger sets", (u.buf = &d, semctl(id, 0, IPC_SET, u)));
        ok("stranger gets", semget(KEY, 0, 0444));
        fflush(stdout);
        _exit(0);
    }
    wait(&status);
    u.buf = &d;
    semctl(id, 0, IPC_STAT, u);
    d.sem_perm.mode = 01666;
    said("ipc_set", semctl(id, 0, IPC_SET, u));
    values("mode", id);
    if (!(pid = fork())) { int r = op(id, 0, -30000, 0); _exit(r ? errno : 5); }
    until(id, GETNCNT, 0, 1);
    said("removed", semctl(id, 0, IPC_RMID));
    waitpid(pid, &status, 0);
    said("removed under it", status == EIDRM << 8);
    said("gone", op(id, 0, 1, 0));
    said("gone", semctl(id, 0, GETVAL));
    u.info = &info;
    said("info", semctl(0, 0, IPC_INFO, u) >= 0);
    printf("%d %d %d %d %d %d %d %d %d %d\n", info.semmap, info.semmni, info.semmns, info.semmnu, info.semmsl,
        info.semopm, info.semume, info.semusz, info.semvmx, info.semaem);
    said("use", semctl(0, 0, SEM_INFO, u) >= 0);
    printf("%d %d\n", info.semusz, info.semaem);
    return 0;
}
