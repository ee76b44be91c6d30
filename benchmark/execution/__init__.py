"""Run the studies of a protocol: processes, clusters, display, plans and status."""
