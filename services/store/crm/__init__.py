"""The CRM: records, the index of their addresses, change streams, summaries."""
