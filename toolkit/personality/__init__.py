"""Data by which one ABI differs from another: call numbers, argument registers, address layout, auxv values."""
