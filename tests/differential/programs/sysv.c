/* System V shared memory, semaphores and message queues */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
static void say(const char *what, long result) {
    int error = errno;
    printf("%s: %ld %s\n", what, result < 0 ? -1 : result, result < 0 ? strerror(error) : "");
}
static void show(int id) {
    struct shmid_ds ds;
    if (shmctl(id, IPC_STAT, &ds)) { say("stat", -1); return; }
    printf("size %zu attached %d mode %o mine %d last %d\n", ds.shm_segsz, (int)ds.shm_nattch, ds.shm_perm.mode,
           ds.shm_cpid == getpid(), ds.shm_lpid == getpid());
}
static void lines(void) {
    char line[300];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "SYSV")) printf("%.37s %s", line, strstr(line, "/SYSV"));
    fclose(maps);
}
int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    int key = 0x5e4f0000 + getpid() % 1000;
    say("none", shmget(key, 10, 0));
    int id = shmget(IPC_PRIVATE, 5000, IPC_CREAT | 0640);
    int named = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600);
    say("excl", shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600));
    say("same", shmget(key, 0, 0) == named);
    say("larger", shmget(key, 4097, 0));
    say("zero", shmget(IPC_PRIVATE, 0, IPC_CREAT));
    show(id);
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    strcpy(a, "shared");
    printf("%s\n", b);
    show(id);
    lines();
    say("misaligned", (long)shmat(id, a + 1, 0));
    say("taken", (long)shmat(id, a, 0));
    say("remap", shmat(named, b, SHM_REMAP) == b);
    say("rounded", shmat(named, (void *)0x10000123, SHM_RND) == (void *)0x10000000);
    show(id);
    show(named);
    if (!fork()) {
        show(id);
        strcpy(a, "child");
        say("child detaches", shmdt(a));
        _exit(0);
    }
    wait(NULL);
    printf("%s\n", a);
    show(id);
    say("rmid", shmctl(id, IPC_RMID, NULL));
    show(id);
    say("detach", shmdt(a));
    show(id);
    say("again", shmdt(a));
    shmdt((void *)0x10000000);
    shmctl(named, IPC_RMID, NULL);

    int set = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    say("getval", semctl(set, 0, GETVAL));
    say("setval", semctl(set, 1, SETVAL, 5));
    struct sembuf op[2] = {{1, -2, 0}, {2, 1, 0}};
    say("semop", semop(set, op, 2));
    printf("%d %d %d\n", semctl(set, 0, GETVAL), semctl(set, 1, GETVAL), semctl(set, 2, GETVAL));
    struct sembuf nowait = {0, -1, IPC_NOWAIT}, beyond = {9, 1, 0}, zero = {2, 0, IPC_NOWAIT};
    say("nowait", semop(set, &nowait, 1));
    say("beyond", semop(set, &beyond, 1));
    say("zero", semop(set, &zero, 1));
    struct timespec limit = {0, 1000000};
    struct sembuf down = {0, -1, 0}, up = {0, 1, 0}, undo = {1, -3, SEM_UNDO};
    say("timed", semtimedop(set, &down, 1, &limit));
    if (!fork()) { semop(set, &undo, 1); printf("in child %d\n", semctl(set, 1, GETVAL)); semop(set, &up, 1); _exit(0); }
    say("waited", semop(set, &down, 1));
    wait(NULL);
    say("undone", semctl(set, 1, GETVAL));
    unsigned short all[3] = {7, 8, 9};
    say("setall", semctl(set, 0, SETALL, all));
    memset(all, 0, sizeof all);
    semctl(set, 0, GETALL, all);
    printf("%d %d %d pid %d\n", all[0], all[1], all[2], semctl(set, 0, GETPID) == getpid());
    say("range", semctl(set, 0, SETVAL, 40000));
    if (!fork()) { struct sembuf much = {0, -100, 0}; say("removed", semop(set, &much, 1)); _exit(0); }
    usleep(20000);
    say("waiting", semctl(set, 0, GETNCNT));
    long removed = semctl(set, 0, IPC_RMID);
    int cause = errno;
    wait(NULL);  // the child has spoken: which of the two is first is the scheduler's choice
    errno = cause;
    say("rmid", removed);
    say("gone", semctl(set, 0, GETVAL));

    int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    struct { long type; char text[100]; } m = {3, "three"};
    say("send", msgsnd(queue, &m, 6, 0));
    m.type = 1;
    strcpy(m.text, "one");
    say("send", msgsnd(queue, &m, 4, 0));
    m.type = 0;
    say("type", msgsnd(queue, &m, 4, 0));
    struct msqid_ds ds;
    msgctl(queue, IPC_STAT, &ds);
    printf("messages %d bytes %d limit %d\n", (int)ds.msg_qnum, (int)ds.__msg_cbytes, (int)ds.msg_qbytes);
    say("small", msgrcv(queue, &m, 2, 0, 0));
    say("lowest", msgrcv(queue, &m, 100, -5, 0));
    printf("%ld %s\n", m.type, m.text);
    say("except", msgrcv(queue, &m, 100, 3, MSG_EXCEPT | IPC_NOWAIT));
    say("cut", msgrcv(queue, &m, 3, 3, MSG_NOERROR));
    printf("%ld %.3s\n", m.type, m.text);
    if (!fork()) { usleep(5000); m.type = 9; strcpy(m.text, "late"); msgsnd(queue, &m, 5, 0); _exit(0); }
    say("wait", msgrcv(queue, &m, 100, 9, 0));
    printf("%s\n", m.text);
    wait(NULL);
    say("rmid", msgctl(queue, IPC_RMID, NULL));
    say("gone", msgsnd(queue, &m, 1, 0));
    return 0;
}
