"""overcommit: the heuristic mode."""

from toolkit.grading import check

CASES = [(3, 0x22), (1, 0x22), (3, 0x4022), (0, 0x22)]


@check("asks four times for a terabyte", points=2)
def asks(program):
    """Rights 3, 1, 3, 0; flags 0x22, 0x22, 0x4022, 0x22."""
    calls = [call for call in program.run().syscalls if call.name == "mmap"]
    asked = [(call.arguments[2], call.arguments[3]) for call in calls if call.arguments[1] == 1 << 40]
    assert asked == CASES, f"(rights, flags) of the calls were {[(hex(a), hex(b)) for a, b in asked]}"


@check("tells which were granted", points=3, depends_on=asks)
def tells(program):
    """Only the first is refused, with ENOMEM: bits 1, 2 and 3 are set."""
    program.run().expect.exit(0b1110)


@check("touches nothing", points=1, depends_on=asks)
def touches_nothing(program):
    """Three terabytes are promised, and no page of them is there."""
    run = program.run()
    run.expect.signal(None)
    total = sum(area.size for area in run.maps("exit").areas)
    resident = sum(area.resident for area in run.maps("exit").areas)
    assert total >= 3 << 40, "less than three terabytes are mapped"
    assert resident < 1 << 20, f"{resident} bytes are resident"
