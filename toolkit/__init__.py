"""Learn, teach and grade x86-64 Linux assembly on any computer.

The public names are imported on first use, so that ``import toolkit`` costs nothing.
"""

__version__ = "0.1.0"
