"""The emulated Linux kernel: processes, memory, files, signals and system calls.

`kernel.py` is the loop (event to system call, fault or signal), `task.py` processes, threads and the scheduler, `exec.py` a new program,
`signals.py` and `frames.py` delivery, `mm/` memory, `fs/` files, `syscalls/` the calls by family, `moments.py` where observers look in.
"""
