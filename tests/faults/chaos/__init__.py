"""What happens in chaos, and what it may lead to."""
