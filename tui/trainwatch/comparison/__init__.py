"""Several runs in one picture: their curves, their best and last values, and only what differs. Knows no Textual."""
