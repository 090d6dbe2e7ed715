"""What every part of the store stands on: collections, fences, leases, pending work, migrations."""
