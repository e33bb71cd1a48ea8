/* POSIX shared memory: shm_open is open below /dev/shm; parent and child share it. */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    struct stat s;
    char line[300];
    shm_unlink("/toolkit-test");
    printf("%d %d\n", shm_open("/toolkit-test", O_RDWR, 0), errno);
    int fd = shm_open("/toolkit-test", O_RDWR | O_CREAT | O_EXCL, 0640);
    printf("%d %d\n", shm_open("/toolkit-test", O_RDWR | O_CREAT | O_EXCL, 0640), errno);
    ftruncate(fd, 8000);
    char *p = mmap(0, 8000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    sem_t *sem = (sem_t *)p;
    sem_init(sem, 1, 0);
    if (!fork()) { strcpy(p + 4096, "from the child"); sem_post(sem); _exit(0); }
    sem_wait(sem);
    wait(0);
    fstat(fd, &s);
    printf("%s %ld %o\n", p + 4096, (long)s.st_size, s.st_mode);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) if (strstr(line, "/dev/shm")) printf("%.4s %s", strchr(line, ' ') + 1, strstr(line, "/dev"));
    shm_unlink("/toolkit-test");
    rewind(maps);
    while (fgets(line, sizeof line, maps)) if (strstr(line, "/dev/shm")) printf("%s", strstr(line, "/dev"));
    sem_t *named = sem_open("/toolkit-test", O_CREAT, 0600, 1);
    printf("%d %d\n", sem_trywait(named), sem_trywait(named));
    sem_unlink("/toolkit-test");
    return 0;
}
