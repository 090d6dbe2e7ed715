"""What a parsed MIME tree says: people, ids, dates, text, attachments, kind of mail."""
