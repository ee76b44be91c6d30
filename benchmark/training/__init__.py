"""One training: the loop, its record, several devices, memory."""
