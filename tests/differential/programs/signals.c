/* handlers, masks, siginfo, alternate stacks, restart, nesting, frames */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int count;
static char *page;

static void faulted(int sig, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    printf("signal %d code %d page %d trap %lld err %lld cr2 %d\n", sig, info->si_code, (char *)info->si_addr == page,
           u->uc_mcontext.gregs[REG_TRAPNO], u->uc_mcontext.gregs[REG_ERR],
           (char *)u->uc_mcontext.gregs[REG_CR2] == page);
    siglongjmp(back, 1);
}
static void divided(int sig, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    printf("fpe %d code %d\n", sig, info->si_code);
    u->uc_mcontext.gregs[REG_RIP] += 2;
}
static void counted(int sig) { count++; }
static void nested(int sig) {
    count++;
    if (count < 4) raise(sig);
    count += 10;
}
static void on_stack(int sig, siginfo_t *info, void *context) {
    stack_t now;
    sigaltstack(NULL, &now);
    printf("on alternate stack %d flags %d\n", (char *)&now >= page && (char *)&now < page + 65536, now.ss_flags);
    printf("queued %d value %d pid mine %d\n", info->si_code, info->si_value.sival_int, info->si_pid == getpid());
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    struct sigaction act = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &act, NULL);
    sigaction(SIGBUS, &act, NULL);
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!sigsetjmp(back, 1)) *(volatile char *)page = 1;
    if (!sigsetjmp(back, 1)) { mprotect(page, 4096, PROT_NONE); count = *(volatile char *)page; }
    munmap(page, 4096);
    if (!sigsetjmp(back, 1)) count = *(volatile char *)page;
    if (!sigsetjmp(back, 1)) { void (*f)(void) = (void (*)(void))page; f(); }
    page = NULL;
    if (!sigsetjmp(back, 1)) count = *(volatile char *)(0x8000000000000000);
    act.sa_sigaction = divided;
    sigaction(SIGFPE, &act, NULL);
    unsigned long high = 0, low = 1;
    __asm__ volatile("xor %%ecx, %%ecx; div %%ecx" : "+a"(low), "+d"(high)::"rcx");
    struct sigaction simple = {.sa_handler = counted};
    sigaction(SIGUSR1, &simple, NULL);
    count = 0;
    raise(SIGUSR1);
    kill(getpid(), SIGUSR1);
    printf("handled %d\n", count);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    printf("blocked %d\n", count);
    sigpending(&set);
    printf("pending %d\n", sigismember(&set, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("delivered %d\n", count);
    simple.sa_handler = nested;
    simple.sa_flags = SA_NODEFER;
    sigaction(SIGUSR2, &simple, NULL);
    count = 0;
    raise(SIGUSR2);
    printf("nested %d\n", count);
    page = malloc(65536);
    stack_t stack = {.ss_sp = page, .ss_size = 65536};
    printf("sigaltstack %d\n", sigaltstack(&stack, NULL));
    act.sa_sigaction = on_stack;
    act.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGRTMIN + 1, &act, NULL);
    union sigval value = {.sival_int = 77};
    sigqueue(getpid(), SIGRTMIN + 1, value);
    simple.sa_handler = counted;
    simple.sa_flags = 0;
    sigaction(SIGALRM, &simple, NULL);
    int fds[2];
    char byte;
    pipe(fds);
    struct itimerval timer = {.it_value = {0, 20000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    count = 0;
    ssize_t got = read(fds[0], &byte, 1);
    printf("read %zd eintr %d\n", got, errno == EINTR);
    simple.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &simple, NULL);
    sigaction(SIGCHLD, &simple, NULL);
    if (!fork()) { usleep(50000); write(fds[1], "x", 1); _exit(0); }
    setitimer(ITIMER_REAL, &timer, NULL);
    got = read(fds[0], &byte, 1);
    printf("restarted %zd count at least %d\n", got, count >= 2);
    wait(NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigqueue(getpid(), SIGUSR1, value);
    siginfo_t info;
    struct timespec limit = {0, 1000000};
    int taken = sigwaitinfo(&set, &info);
    printf("sigwaitinfo %d value %d\n", taken, info.si_value.sival_int);
    taken = sigtimedwait(&set, &info, &limit);
    printf("timed %d %d\n", taken, errno == EAGAIN);
    raise(SIGUSR1);
    count = 0;
    sigemptyset(&set);
    simple.sa_handler = counted;
    sigaction(SIGUSR1, &simple, NULL);
    taken = sigsuspend(&set);
    printf("sigsuspend %d %d count %d\n", taken, errno == EINTR, count);
    simple.sa_flags = SA_RESETHAND;
    sigaction(SIGTERM, &simple, NULL);
    raise(SIGTERM);
    printf("survived once %d\n", count);
    raise(SIGTERM);
    printf("not reached\n");
}
