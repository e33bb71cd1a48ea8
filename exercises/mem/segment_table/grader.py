"""segment_table: keys, two attachments, /proc/sysvipc/shm."""

from toolkit.grading import check, regex

KEY, SIZE = 0x2026, 5000
PLACE = "/SYSV00002026 (deleted)"


@check("makes the segment with the key", points=2)
def makes(program):
    """shmget(0x2026, 5000, 0o3640): IPC_CREAT is 0o1000, IPC_EXCL 0o2000, the permissions 0o640."""
    program.run().expect.syscall("shmget", args=(KEY, SIZE, 0o3640), result=0, times=1)


@check("two addresses, one memory", points=3, depends_on=makes)
def twice(program):
    """Attach for reading and writing, then with SHM_RDONLY; store through the first address, load from the second."""
    run = program.run(at=["syscall:shmdt"])
    run.expect.syscall("shmat", args=(0, 0), times=2, succeeds=True)
    flags = [call.arguments[2] for call in run.syscalls if call.name == "shmat"]
    assert flags == [0, 0o10000], f"the flags of shmat were {[oct(each) for each in flags]}"
    run.expect.area(at="syscall:shmdt", path=PLACE, perms="rw-s", size=8192)
    second = run.expect.area(at="syscall:shmdt", path=PLACE, perms="r--s", size=8192)
    run.expect.memory(second.start, (2026).to_bytes(4, "little"), at="syscall:shmdt")
    run.expect.exit(2026 % 256)


@check("prints the table", points=2, depends_on=twice)
def prints(program):
    """All of /proc/sysvipc/shm, read and written until read returns 0, while both addresses are attached (nattch is 2)."""
    run = program.run()
    head = rb" +key +shmid +perms +size +cpid +lpid +nattch .*\n"
    row = rb" +8230 +0 +640 +5000 +\d+ +\d+ +2 .*\n"
    run.expect.stdout(regex(head + row))
    room = program.sections[".bss"].size
    for call in run.syscalls:
        assert call.name != "read" or call.arguments[2] <= room, (
            f"{call.text} asks for more than the buffer holds"
        )


@check("leaves nothing behind", points=1, depends_on=twice)
def clean(program):
    """shmdt for each address, and shmctl with IPC_RMID."""
    run = program.run(at=["exit"])
    run.expect.syscall("shmdt", result=0, times=2)
    run.expect.syscall("shmctl", args=(0, 0), result=0, times=1)
    run.expect.no_area(at="exit", path=PLACE)
