"""What every command shares: how it starts, what the shell completes, what is said of wrong values."""
