"""The web console, requested as browsers do, on real servers."""
