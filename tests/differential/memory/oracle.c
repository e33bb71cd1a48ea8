/* A process that does the memory system calls it is told and shows its own map after each.
 *
 * Freestanding, so that its address space holds nothing but the program, the stack and the kernel's pages.
 * Request on stdin: struct request. Reply on stdout: the result, the length of the dump, the dump.
 * Numbers from 1000 on are no system calls: see below. Descriptor 3 is a file opened for reading and writing,
 * 4 the same file opened for reading, 5 a second opening as 3.
 */
#include <stdint.h>

struct request { uint64_t number, arguments[6], dump; };

static long call(long n, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

enum { READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, PREAD = 17, PWRITE = 18, FORK = 57, EXIT = 60, WAIT = 61, SETRESUID = 117, PRLIMIT = 302 };
enum { TOUCH_WRITE = 1000, TOUCH_READ = 1001, FORK_CHILD_GOES_ON = 1002, FORK_PARENT_GOES_ON = 1003, PEEK = 1004, NOTHING = 1005,
       SET_LIMIT = 1006, BECOME_NOBODY = 1007 };

static char buffer[65536];
static const char *paths[] = { "/proc/self/maps", "/proc/self/smaps", "/proc/self/statm", "/proc/self/status" };

static long perform(struct request *q)
{
    uint64_t *a = q->arguments;
    switch (q->number) {
    case TOUCH_WRITE:   /* one byte copied to the address, as a program's store would fault */
        return call(PREAD, 6, a[0], 1, 0, 0, 0);
    case TOUCH_READ:
        return call(PWRITE, 7, a[0], 1, 0, 0, 0);
    case PEEK: {
        char byte = 0;
        long result = call(PWRITE, 7, a[0], 1, 0, 0, 0);
        if (result < 0)
            return result;
        call(PREAD, 7, (long)&byte, 1, 0, 0, 0);
        return (unsigned char)byte;
    }
    case FORK_CHILD_GOES_ON: {
        long child = call(FORK, 0, 0, 0, 0, 0, 0);
        if (child < 0)
            return child;
        if (child) {
            call(WAIT, child, 0, 0, 0, 0, 0);
            call(EXIT, 0, 0, 0, 0, 0, 0);
        }
        return 0;
    }
    case FORK_PARENT_GOES_ON: {
        long child = call(FORK, 0, 0, 0, 0, 0, 0);
        if (child < 0)
            return child;
        if (!child) {   /* held; without the pipes, so that their end is seen when the parent dies */
            char byte;
            call(CLOSE, 0, 0, 0, 0, 0, 0);
            call(CLOSE, 1, 0, 0, 0, 0, 0);
            while (call(READ, 8, (long)&byte, 1, 0, 0, 0) > 0)
                ;
            call(EXIT, 0, 0, 0, 0, 0, 0);
        }
        return 0;
    }
    case NOTHING:
        return 0;
    case SET_LIMIT: {
        uint64_t limit[2] = { a[1], a[2] };
        return call(PRLIMIT, 0, a[0], (long)limit, 0, 0, 0);
    }
    case BECOME_NOBODY:
        return call(SETRESUID, 65534, 65534, 65534, 0, 0, 0);
    }
    return call(q->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void put(const char *data, long size)
{
    while (size > 0) {
        long done = call(WRITE, 1, (long)data, size, 0, 0, 0);
        if (done <= 0)
            call(EXIT, 2, 0, 0, 0, 0, 0);
        data += done;
        size -= done;
    }
}

void _start(void)
{
    struct request q;
    for (;;) {
        long have = 0;
        while (have < (long)sizeof q) {
            long got = call(READ, 0, (long)&q + have, sizeof q - have, 0, 0, 0);
            if (got <= 0)
                call(EXIT, 0, 0, 0, 0, 0, 0);
            have += got;
        }
        int64_t reply[2] = { perform(&q), 0 };
        long file = q.dump < 4 ? call(OPEN, (long)paths[q.dump], 0, 0, 0, 0, 0) : -1;
        while (file >= 0) {
            long got = call(READ, file, (long)buffer + reply[1], sizeof buffer - reply[1], 0, 0, 0);
            if (got <= 0)
                break;
            reply[1] += got;
        }
        if (file >= 0)
            call(CLOSE, file, 0, 0, 0, 0, 0);
        put((char *)reply, sizeof reply);
        put(buffer, reply[1]);
    }
}
