"""The made-up mail of the demo and the benchmark."""
