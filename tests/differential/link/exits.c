extern int run(void);
void _start(void) {
  int status = run() & 0x7f;
#ifdef __x86_64__
  __asm__ volatile("syscall" : : "a"(60), "D"(status));
#else
  __asm__ volatile("push %%ebx; mov %1, %%ebx; int $0x80" : : "a"(1), "r"(status));
#endif
}
