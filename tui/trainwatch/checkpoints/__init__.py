"""The checkpoints of a run: what is there, why each is kept, whether it is whole. Knows no Textual."""
