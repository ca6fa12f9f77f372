"""The configuration of a run as a tree, alone or beside another run's. Knows no Textual."""
