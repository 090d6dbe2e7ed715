"""Random histories of a company, compared with a reference model of the sharing rule."""
