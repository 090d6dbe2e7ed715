"""What every command needs: output, questions, a session with settings and store."""
