"""Settings, and the export of traces."""
