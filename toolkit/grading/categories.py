"""Of which kind a failure is: all that a student reads of it at the disclosure level `category`."""

from __future__ import annotations

from enum import StrEnum


class Category(StrEnum):
    """The value is the sentence that is shown."""

    OTHER = "not as it should be"
    BUILD = "the program does not assemble and link"
    CODE = "the code is not written as the task asks"
    ENDLESS = "the program does not end"
    ENDING = "the program ends otherwise than it should"
    OUTPUT = "what the program writes is not right"
    MAP = "the memory map is not right"
    STATE = "what is in registers or memory is not right"
    CALLS = "the system calls are not right"
    COURSE = "the program does not go the way it should"
    RESULT = "a function does not do what it should"
