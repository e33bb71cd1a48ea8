"""The text of system calls as strace 6.1 prints them: `table.SIGNATURES` says how, `values` and `structures` do it.

A signature names a printer for each argument. Those that show what the kernel wrote are marked with ``>``: they are
printed when the call has returned, and as a bare address when it has failed.
"""
