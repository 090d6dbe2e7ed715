"""What a mail says itself: quotes, forwards, signatures."""
