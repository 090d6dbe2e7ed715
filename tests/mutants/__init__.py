"""The tool behind ``make mutants``."""
