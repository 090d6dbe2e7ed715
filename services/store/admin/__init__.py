"""Administration: sharing policies and their previews, removal, privacy requests, diagnostics."""
