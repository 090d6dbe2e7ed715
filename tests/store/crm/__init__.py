"""Leads and contacts of the CRM."""
