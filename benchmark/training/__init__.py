"""Train one model: the loop, the record, several devices, memory."""
