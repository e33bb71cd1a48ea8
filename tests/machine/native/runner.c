/* Runs a few bytes of code as a Linux process and reports how it stopped.
 *
 * Reads cases from stdin, writes one result for each to stdout; both are the structs below, native-endian.
 * The child maps the same small world as the tests' sandbox, stops, gets its registers, and runs until a signal.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, CODE = 0x400000, DATA = 0x402000, READ_ONLY = 0x406000, NOTHING = 0x407000 };

struct request {
    uint64_t registers[18]; /* hardware order, RIP, RFLAGS */
    uint32_t code_offset, code_length;
    unsigned char code[256];
    unsigned char data[3 * PAGE];
    uint32_t mxcsr, control_word;
};

struct answer {
    int32_t signal, code;
    uint64_t address;
    uint64_t registers[18];
    unsigned char data[3 * PAGE];
    unsigned char fxsave[512];
};

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static void map(uintptr_t at, size_t size, int rights)
{
    if (mmap((void *)at, size, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)at)
        fail("mmap");
}

static void child(const struct request *request)
{
    map(CODE, PAGE, PROT_READ | PROT_WRITE);
    memcpy((char *)CODE + request->code_offset, request->code, request->code_length);
    mprotect((void *)CODE, PAGE, PROT_READ | PROT_EXEC);
    map(DATA, 3 * PAGE, PROT_READ | PROT_WRITE);
    memcpy((void *)DATA, request->data, sizeof request->data);
    map(READ_ONLY, PAGE, PROT_READ);
    map(NOTHING, PAGE, PROT_NONE);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    ualarm(900000, 0); /* code that loops ends with SIGALRM */
    raise(SIGSTOP);
    _exit(99);
}

static void set_registers(pid_t pid, const struct request *request)
{
    struct user_regs_struct r;
    struct user_fpregs_struct f;
    const uint64_t *v = request->registers;
    if (ptrace(PTRACE_GETREGS, pid, 0, &r) || ptrace(PTRACE_GETFPREGS, pid, 0, &f))
        fail("ptrace");
    r.rax = v[0], r.rcx = v[1], r.rdx = v[2], r.rbx = v[3], r.rsp = v[4], r.rbp = v[5], r.rsi = v[6], r.rdi = v[7];
    r.r8 = v[8], r.r9 = v[9], r.r10 = v[10], r.r11 = v[11], r.r12 = v[12], r.r13 = v[13], r.r14 = v[14];
    r.r15 = v[15], r.rip = v[16], r.eflags = v[17], r.orig_rax = -1;
    r.fs_base = r.gs_base = 0;
    memset(&f, 0, sizeof f);
    f.cwd = request->control_word;
    f.mxcsr = request->mxcsr;
    f.mxcr_mask = 0x2ffff;
    if (ptrace(PTRACE_SETREGS, pid, 0, &r) || ptrace(PTRACE_SETFPREGS, pid, 0, &f))
        fail("ptrace set");
}

static void get_registers(pid_t pid, struct answer *answer)
{
    struct user_regs_struct r;
    struct user_fpregs_struct f;
    uint64_t *v = answer->registers;
    if (ptrace(PTRACE_GETREGS, pid, 0, &r) || ptrace(PTRACE_GETFPREGS, pid, 0, &f))
        fail("ptrace get");
    v[0] = r.rax, v[1] = r.rcx, v[2] = r.rdx, v[3] = r.rbx, v[4] = r.rsp, v[5] = r.rbp, v[6] = r.rsi, v[7] = r.rdi;
    v[8] = r.r8, v[9] = r.r9, v[10] = r.r10, v[11] = r.r11, v[12] = r.r12, v[13] = r.r13, v[14] = r.r14;
    v[15] = r.r15, v[16] = r.rip, v[17] = r.eflags;
    memcpy(answer->fxsave, &f, sizeof answer->fxsave);
}

static void run(const struct request *request, struct answer *answer)
{
    siginfo_t info;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        child(request);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        fail("child");
    set_registers(pid, request);
    if (ptrace(PTRACE_CONT, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
        fail("continue");
    if (WIFSTOPPED(status)) {
        if (ptrace(PTRACE_GETSIGINFO, pid, 0, &info))
            fail("siginfo");
        answer->signal = WSTOPSIG(status);
        answer->code = info.si_code;
        answer->address = (uint64_t)(uintptr_t)info.si_addr;
        get_registers(pid, answer);
        struct iovec local = {answer->data, sizeof answer->data}, remote = {(void *)DATA, sizeof answer->data};
        process_vm_readv(pid, &local, 1, &remote, 1, 0);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    } else {
        answer->signal = -1;
        answer->code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
}

int main(void)
{
    static struct request request;
    static struct answer answer;
    while (fread(&request, sizeof request, 1, stdin) == 1) {
        memset(&answer, 0, sizeof answer);
        run(&request, &answer);
        if (fwrite(&answer, sizeof answer, 1, stdout) != 1 || fflush(stdout))
            return 1;
    }
    return 0;
}
