/* Segments of all sizes and states. With an argument lsipc prints them, else getppid marks the moment. */
#include <stdlib.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **arguments) {
    int ids[70], i;
    for (i = 0; i < 68; i++) {
        ids[i] = shmget(0x4000 + i, 1000 * (i + 1) * (i + 1) * (i + 1), 01000 | (0600 + i));
        if (i % 9 && i < 62) shmctl(ids[i], IPC_RMID, 0);
    }
    shmat(ids[0], 0, 0);
    shmat(ids[67], 0, 0);
    shmat(ids[67], 0, SHM_RDONLY);
    shmctl(ids[67], IPC_RMID, 0);
    shmctl(ids[66], SHM_LOCK, 0);
    if (!fork()) { shmget(0x99, 1023, 01604); _exit(0); }
    wait(0);
    if (count > 1) system("lsipc -m");
    else getppid();
    for (i = 0; i < 67; i++) shmctl(ids[i], IPC_RMID, 0);
    shmctl(shmget(0x99, 0, 0), IPC_RMID, 0);
    return 0;
}
