"""What a deployment must not keep, print or show."""
