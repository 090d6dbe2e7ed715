"""What every command needs: output, prompts, and a session with settings and store."""
