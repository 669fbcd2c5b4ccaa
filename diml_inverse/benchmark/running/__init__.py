"""Running a suite: its cells, each contained in a process of its own, here or on a cluster."""
