/* The lecture's program: where text, data, bss, heap, brk, libc, mmap area, stack and arguments lie. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
int initialised = 1;
int uninitialised;
int main(int count, char **arguments) {
    int local = count;
    void *heap = malloc(100), *big = malloc(1 << 20);
    void *mapped = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("text %p\ndata %p\nbss %p\nheap %p\nbig %p\nbrk %p\nlibc %p\nmmap %p\nstack %p\nargv %p %p\n", (void *)main,
           (void *)&initialised, (void *)&uninitialised, heap, big, sbrk(0), (void *)printf, mapped, (void *)&local,
           (void *)arguments, (void *)arguments[0]);
    return 0;
}
