"""Mail servers: discovery, logins, IMAP and SMTP, on real and on scripted servers."""
