"""What a mail says: its fields, texts and attachments."""
