"""Who sees what, from the mail that arrives to what each user reads."""
