"""The benchmark: its arithmetic and reports, and one small run."""
