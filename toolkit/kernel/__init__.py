"""See ../README.md for what this room is for."""
