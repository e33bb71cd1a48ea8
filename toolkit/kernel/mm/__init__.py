"""A process's memory as Linux keeps it: areas, page tables, page cache, faults, and every memory system call.

Areas say what was asked for; page tables say what is resident. A resident page implies an area, and the tables, which
the CPU walks, are only a cache of areas and pages: throw an entry away and the next access makes it again.

    areas.py        Area and AreaSet: split, merge, gap search. Knows no machine
    merging.py      when neighbours become one; AnonymousGroup, whose private pages they hold
    frames.py       physical frames, how many entries point at each, swap slots
    page_table.py   the four levels, written into physical memory
    page_cache.py   a file's pages in memory; Backing, what an area maps; Storage, the disk
    shared.py       shared anonymous memory, the kernel's own pages
    space.py        AddressSpace: the state, and the one door to the operations below
    placing.py      where a new mapping goes
    mapping.py      mmap, munmap, brk, the stack
    modifying.py    splitting and merging areas in use; the area limit
    protection.py   mprotect, mseal     remapping.py    mremap
    advice.py       madvise, msync, mincore, names of areas
    locking.py      mlock and its family, populating
    accounting.py   RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK       overcommit.py   Committed_AS, CommitLimit
    faults.py       the page-fault handler: zero page, copy-on-write, file pages, swap-in, stack growth
    residence.py    setting, clearing and rewriting entries; the resident counts
    access.py       copy_from_user and copy_to_user
    cloning.py      fork
    reclaim.py      the clock with second chance; MADV_FREE, MADV_COLD, MADV_PAGEOUT
    oom.py          badness, the killer, its log
    states.py, snapshot.py   looking without touching; MapSnapshot, which views and graders use

The oracle is Linux 6.18. Functions name the kernel's function whose order of checks they follow. Where the machine lets
two programs differ by accident (which pages a batch has freed, large folios of the page cache) the plainest
outcome is chosen: pages are single, nothing is written back before it is asked for, and swap is read a page at a
time, as from zram with vm.page-cluster 0.
"""
