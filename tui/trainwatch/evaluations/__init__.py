"""All evaluations of a run: which one is looked at, and what of it. Knows no Textual."""
