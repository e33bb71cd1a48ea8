"""Looking at a run, forwards and back.

A run is a function of its inputs: the same program, seed and number of instructions give the same state. So going back
needs no record: `timeline.Timeline` runs the program again from its start to an earlier instruction. `gdb.py` serves a timeline to gdb
(remote serial protocol, reverse commands included), `stepper.py` to a person line by line, and `session.py` with `panes.py` and
`screen.py` on the full screen.
"""
