"""The dashboard in a browser: for each that comes, one process with the same screens."""
