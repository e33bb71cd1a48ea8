/* Areas that show a System V segment: split by what happens to their parts, and never joined again (vm_operations_struct.close). */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>
#define P 4096L
static int id;
static void show(const char *what, long r)
{
    char line[400]; struct shmid_ds d; shmctl(id, IPC_STAT, &d);
    printf("%s: %ld (%d), attached %d\n", what, r < 0 ? r : r > 4096 ? 1 : r, r < 0 ? errno : 0, (int)d.shm_nattch);
    FILE *f = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, f)) if (strstr(line, "SYSV")) printf("   %.35s\n", line);
    fclose(f);
}
int main(void)
{
    setvbuf(stdout, malloc(65536), _IOFBF, 65536);
    id = shmget(IPC_PRIVATE, 8 * P, IPC_CREAT | 0600);
    char *a = (char *)0x1000000000;
    show("attach", (long)shmat(id, a, 0));
    show("middle read-only", mprotect(a + 2 * P, 2 * P, PROT_READ));
    show("writable again", mprotect(a + 2 * P, 2 * P, PROT_READ | PROT_WRITE));
    show("all read-only", mprotect(a, 8 * P, PROT_READ));
    show("first half writable", mprotect(a, 4 * P, PROT_READ | PROT_WRITE));
    show("five writable", mprotect(a + 4 * P, P, PROT_READ | PROT_WRITE));
    show("all writable", mprotect(a, 8 * P, PROT_READ | PROT_WRITE));
    show("advice", madvise(a + P, P, MADV_SEQUENTIAL));
    show("advice back", madvise(a + P, P, MADV_NORMAL));
    show("second", (long)shmat(id, a + 8 * P, 0));
    show("lock", mlock(a + 3 * P, P));
    show("unlock", munlock(a + 3 * P, P));
    show("hole", munmap(a + 5 * P, P));
    show("grow", (long)mremap(a + 4 * P, P, 2 * P, 0));
    show("move", (long)mremap(a, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, a + 100 * P));
    show("move next", (long)mremap(a + P, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, a + 101 * P));
    show("duplicate", (long)mremap(a + 2 * P, 0, P, MREMAP_MAYMOVE));
    show("detach second", shmdt(a + 8 * P));
    show("detach first", shmdt(a));
    show("detach moved", shmdt(a + 100 * P));
    show("remove", shmctl(id, IPC_RMID, 0));
    return 0;
}
