"""What users read, and what they do with single emails."""
