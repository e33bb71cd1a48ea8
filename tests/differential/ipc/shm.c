/* System V shared memory: every result and errno, attachment counts, areas. Numbers of segments and times are not printed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <grp.h>
#include <unistd.h>

#define KEY 0x51a7e001

static void said(const char *what, long result) {
    if (result == -1) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: %ld\n", what, result);
}
static void ok(const char *what, long result) {
    if (result == -1) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: fine\n", what);
}
static void state(const char *what, int id) {
    struct shmid_ds d;
    if (shmctl(id, IPC_STAT, &d) < 0) { printf("%s: %s\n", what, strerrorname_np(errno)); return; }
    printf("%s: key %x size %lu attached %lu mode %o uid %d cuid %d creator %d last %d a %d d %d c %d\n", what,
        d.shm_perm.__key, (unsigned long)d.shm_segsz, (unsigned long)d.shm_nattch, d.shm_perm.mode, d.shm_perm.uid,
        d.shm_perm.cuid, d.shm_cpid == getpid(), d.shm_lpid == getpid(), d.shm_atime != 0, d.shm_dtime != 0,
        d.shm_ctime != 0);
}
static void areas(const char *what) {
    char line[400];
    FILE *maps = fopen("/proc/self/maps", "r");
    printf("%s:\n", what);
    while (fgets(line, sizeof line, maps)) {
        char *name = strstr(line, "/SYSV");
        unsigned long start, end, offset, inode; char perms[5]; unsigned major, minor;
        if (!name) continue;
        sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &start, &end, perms, &offset, &major, &minor, &inode);
        printf("  %lx %s %lx %x %s", end - start, perms, offset, major, name);
    }
    fclose(maps);
}
static void child(const char *what, void (*body)(int), int id) {
    int status;
    fflush(stdout);
    if (!fork()) { body(id); fflush(stdout); _exit(0); }
    wait(&status);
    printf("%s: status %x\n", what, status);
}
static void stranger(int id) {
    struct shmid_ds d;
    setgroups(0, 0); setgid(1000); setuid(1000);
    ok("stranger attaches", (long)shmat(id, 0, 0));
    ok("stranger reads", (long)shmat(id, 0, SHM_RDONLY));
    ok("stranger gets", shmget(KEY, 0, 0));
    ok("stranger gets to write", shmget(KEY, 0, 0222));
    ok("stranger gets to read", shmget(KEY, 0, 0444));
    said("stranger stats", shmctl(id, IPC_STAT, &d));
    said("stranger sets", shmctl(id, IPC_SET, &d));
    said("stranger removes", shmctl(id, IPC_RMID, 0));
    said("stranger locks", shmctl(id, SHM_LOCK, 0));
}
static void user(int id) {
    char *p;
    p = shmat(id, 0, 0);
    state("child attached", id);
    p[5000] = 'c';
}
static void killed(int id) {
    char *p = shmat(id, 0, SHM_RDONLY);
    printf("reads %c\n", p[5000]);
    fflush(stdout);
    p[0] = 1;
}
static void executes(int id) {
    shmat(id, 0, 0);
    state("before exec", id);
    fflush(stdout);
    execl("/proc/self/exe", "shm", "again", (char *)0);
}
int main(int count, char **arguments) {
    struct shmid_ds d;
    char *p, *q;
    if (count > 1) { areas("after exec"); return 7; }
    shmctl(shmget(KEY, 0, 0), IPC_RMID, 0);
    ok("no such key", shmget(KEY, 8000, 0600));
    ok("size 0", shmget(KEY, 0, IPC_CREAT | 0600));
#ifndef __i386__ /* its glibc copies structs itself */
    ok("size -1", shmget(KEY, -1, IPC_CREAT | 0600));
#endif
    ok("huge pages", shmget(IPC_PRIVATE, 4096, SHM_HUGETLB | 0600));
    int id = shmget(KEY, 8000, IPC_CREAT | IPC_EXCL | 0640);
    ok("made", id);
    ok("again", shmget(KEY, 8000, IPC_CREAT | IPC_EXCL | 0640));
    said("found", shmget(KEY, 8000, IPC_CREAT) == id);
    said("smaller", shmget(KEY, 100, 0) == id);
    said("larger", shmget(KEY, 8001, 0));
    state("new", id);
    ok("bad id", (long)shmat(-1, 0, 0));
    ok("no id", (long)shmat(id + 32768, 0, 0));
    said("stat of no id", shmctl(id + 32768, IPC_STAT, &d));
    said("stat of -1", shmctl(-1, IPC_STAT, &d));
    said("bad command", shmctl(id, 77, &d));
    said("bad command of no id", shmctl(123456, 77, &d));
#ifndef __i386__ /* its glibc copies structs itself */
    said("stat to nowhere", shmctl(id, IPC_STAT, (void *)8));
#endif
#ifndef __i386__ /* its glibc copies structs itself */
    said("set from nowhere", shmctl(id, IPC_SET, (void *)8));
#endif
#ifndef __i386__ /* its glibc copies structs itself */
    said("set from nowhere of no id", shmctl(id + 32768, IPC_SET, (void *)8));
#endif
    p = shmat(id, 0, 0);
    ok("attached", (long)p);
    state("attached", id);
    areas("one");
    memset(p, 'x', 8192);
    q = shmat(id, 0, SHM_RDONLY);
    said("same bytes", q[4097]);
    areas("two");
    state("twice", id);
    ok("attach over", (long)shmat(id, p, 0));
    ok("attach over again", (long)shmat(id, p, SHM_REMAP));
    state("remapped", id);
    areas("remapped");
    ok("remap at 0", (long)shmat(id, 0, SHM_REMAP));
    ok("crooked", (long)shmat(id, (void *)0x20000123, 0));
    said("rounded", (long)shmat(id, (void *)0x20000123, SHM_RND) == 0x20000000);
    ok("executable", (long)shmat(id, (void *)0x30000000, SHM_EXEC));
    ok("rounded to 0", (long)shmat(id, (void *)0x123, SHM_RND | SHM_REMAP));
    areas("more");
    said("protect middle", mprotect((void *)0x20000000, 4096, PROT_READ));
    state("split", id);
    areas("split");
    said("detach crooked", shmdt((void *)0x20000001));
    said("detach not there", shmdt((void *)0x40000000));
    said("detach second page", shmdt((void *)0x20001000));
    said("detach", shmdt((void *)0x20000000));
    said("detach again", shmdt((void *)0x20000000));
    state("detached", id);
    said("unmap page", munmap((void *)0x30000000, 4096));
    areas("part unmapped");
    said("detach rest by old start", shmdt((void *)0x30000000));
    state("rest", id);
    areas("rest");
    said("detach q", shmdt(q));
    d.shm_perm.uid = 1000; d.shm_perm.gid = 7; d.shm_perm.mode = 0604;
    said("set", shmctl(id, IPC_SET, &d));
    state("set", id);
    d.shm_perm.uid = -1;
    said("set to uid -1", shmctl(id, IPC_SET, &d));
    d.shm_perm.uid = 0;
    said("set", shmctl(id, IPC_SET, &d));
    child("stranger", stranger, id);
    child("user", user, id);
    state("child has ended", id);
    said("child wrote", p[5000]);
    child("killed", killed, id);
    child("executes", executes, id);
    state("exec", id);
    said("lock", shmctl(id, SHM_LOCK, 0));
    state("locked", id);
    said("unlock", shmctl(id, SHM_UNLOCK, 0));
    said("remove", shmctl(id, IPC_RMID, 0));
    state("removed, still attached", id);
    ok("get removed", shmget(KEY, 0, 0));
    areas("removed");
    q = shmat(id, 0, 0);
    said("attach removed", q[1]);
    said("remove twice", shmctl(id, IPC_RMID, 0));
    said("detach", shmdt(q));
    said("detach last", shmdt(p));
    state("gone", id);
    id = shmget(IPC_PRIVATE, 1, 0);
    state("private", id);
    int other = shmget(IPC_PRIVATE, 1, 0600);
    said("another", other != id);
    p = shmat(other, 0, 0);
    said("mapped after the end", p[4095]);
    said("remove unattached", shmctl(id, IPC_RMID, 0));
    state("gone", id);
    said("remove", shmctl(other, IPC_RMID, 0));
    said("unmap last", munmap(p, 4096));
    state("gone by munmap", other);
    other = shmget(IPC_PRIVATE, 4096 * 3, 0600);
    p = shmat(other, 0, 0);
    q = mremap(p, 4096 * 3, 4096 * 3, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x50000000);
    said("moved", q == (void *)0x50000000);
    state("moved", other);
    ok("grown", (long)mremap(q, 4096 * 3, 4096 * 4, MREMAP_MAYMOVE));
    areas("grown");
    state("grown", other);
    said("advise remove", madvise(q, 4096, MADV_REMOVE));
    said("locked by mlock", mlock(q, 4096));
    state("mlock splits", other);
    said("remove", shmctl(other, IPC_RMID, 0));
    struct shminfo limits;
    struct shm_info use;
    said("info", shmctl(0, IPC_INFO, (void *)&limits) >= 0);
    printf("limits %lx %lx %lx %lx %lx\n", limits.shmmax, limits.shmmin, limits.shmmni, limits.shmseg, limits.shmall);
    said("use", shmctl(0, SHM_INFO, (void *)&use) >= 0);
    printf("used %d total %lu resident %lu\n", use.used_ids, use.shm_tot, use.shm_rss);
    said("index -1", shmctl(-1, SHM_STAT, &d));
    ok("index none", shmctl(30000, SHM_STAT, &d));
    return 0;
}
