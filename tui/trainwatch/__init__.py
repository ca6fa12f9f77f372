"""The dashboard: reads a run directory, draws it in the terminal, and appends orders to its control file."""
