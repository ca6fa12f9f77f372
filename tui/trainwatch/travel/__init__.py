"""A run as it stood at a time: what was known then, and nothing later."""
