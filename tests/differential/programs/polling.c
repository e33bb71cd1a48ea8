/* poll, select, epoll, eventfd, timerfd, signalfd */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    int got;
    int fds[2];
    pipe(fds);
    struct pollfd p[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLOUT, 0}};
    got = poll(p, 2, 0);
    printf("poll %d %x %x\n", got, p[0].revents, p[1].revents);
    printf("timeout %d\n", poll(p, 1, 10));
    write(fds[1], "abc", 3);
    got = poll(p, 2, -1);
    printf("poll %d %x\n", got, p[0].revents);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    struct timeval tv = {5, 0};
    got = select(fds[0] + 1, &set, NULL, NULL, &tv);
    printf("select %d %d\n", got, FD_ISSET(fds[0], &set));
    int ep = epoll_create1(0);
    struct epoll_event ev = {EPOLLIN, {.u64 = 99}}, out[4];
    printf("add %d\n", epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev));
    got = epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev);
    printf("again %d %d\n", got, errno == EEXIST);
    got = epoll_wait(ep, out, 4, -1);
    printf("wait %d %x %d\n", got, out[0].events, (int)out[0].data.u64);
    char b[10];
    read(fds[0], b, 10);
    printf("empty %d\n", epoll_wait(ep, out, 4, 5));
    int e = eventfd(3, EFD_NONBLOCK);
    uint64_t value = 4;
    write(e, &value, 8);
    read(e, &value, 8);
    printf("eventfd %d\n", (int)value);
    got = read(e, &value, 8);
    printf("again %d %d\n", got, errno == EAGAIN);
    int t = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec its = {{0, 0}, {0, 5000000}};
    timerfd_settime(t, 0, &its, NULL);
    got = read(t, &value, 8);
    printf("timerfd %d %d\n", got, (int)value);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    int s = signalfd(-1, &mask, 0);
    raise(SIGUSR1);
    struct signalfd_siginfo info;
    got = read(s, &info, sizeof info);
    printf("signalfd %d %d %d\n", got, info.ssi_signo, info.ssi_pid == getpid());
    if (!fork()) { usleep(10000); write(fds[1], "later", 5); _exit(0); }
    printf("child %d\n", poll(p, 1, -1));
    wait(NULL);
    close(fds[1]);
    read(fds[0], b, 10);
    got = poll(p, 1, 0);
    printf("hup %d %x\n", got, p[0].revents);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    usleep(30000);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    printf("slept %d\n", ms >= 30 && ms < 1000);
    return 0;
}
