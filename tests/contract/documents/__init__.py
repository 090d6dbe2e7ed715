"""Pages and derived files agree with the program."""
