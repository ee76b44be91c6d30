"""Running the studies of a protocol: processes, clusters, the display, plans and status."""
