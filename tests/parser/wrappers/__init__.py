"""Mail within something else: winmail.dat, S/MIME, invitations, attached mail, pieces."""
