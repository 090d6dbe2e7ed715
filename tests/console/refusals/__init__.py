"""What the console refuses: forms that keep what was typed, and requests that no page of ours makes."""
