"""Child processes, ports, packages and certificates of local servers."""
