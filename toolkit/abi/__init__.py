"""Numbers and byte layouts of the Linux ABI; no behaviour. Pure data, imported by every other room."""
