"""What the other parts of the store build on."""
