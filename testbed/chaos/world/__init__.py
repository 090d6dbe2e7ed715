"""The company under chaos: its deployment, its people, the faults."""
