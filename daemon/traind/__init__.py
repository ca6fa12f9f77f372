"""The training daemon: a supervisor that outlives the terminal, and a trainer in which torch lives."""
