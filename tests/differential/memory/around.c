/* A read beyond a file's end maps the pages before it, wherever the page table was, whoever read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };
static sigjmp_buf back;
static char text[1 << 18];

static void handler(int number)
{
    siglongjmp(back, number);
}

static int resident(long address)
{
    char head[40];
    int f = open("/proc/self/smaps", O_RDONLY), n = 0, got;
    while ((got = read(f, text + n, sizeof text - n - 1)) > 0)
        n += got;
    text[n] = 0;
    close(f);
    snprintf(head, sizeof head, "%lx-", address);
    return atoi(strstr(strstr(text, head), "Rss:") + 4);
}

int main(void)
{
    signal(SIGBUS, handler);
    memset(text, 1, sizeof text);
    int f = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600), out = open("out", O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < 6; i++)
        write(f, text, i < 5 ? PAGE : 3096);
    for (int offset = 0; offset < 6; offset++)
        for (int table = 0; table < 2; table++)
            for (int how = 0; how < 3; how++) {
                volatile char *a = (char *)0x1000000000 + (offset * 10 + table * 3 + how) * 0x4000000L;
                if (table)
                    *(char *)mmap((char *)a + 0x100000, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) = 1;
                mmap((char *)a, PAGE * 8, PROT_READ | PROT_WRITE, MAP_FIXED | (how == 2 ? MAP_PRIVATE : MAP_SHARED), f, offset * PAGE);
                int result, number = sigsetjmp(back, 1);
                if (number)
                    result = -number;
                else if (how == 1)
                    result = pwrite(out, (char *)a + (6 - offset) * PAGE, 1, 0);
                else
                    result = a[(6 - offset) * PAGE];
                printf("offset %d, table %d, way %d: %d, resident %d\n", offset, table, how, result, resident((long)a));
            }
    return 0;
}
