"""Widgets: thin shells that show what a painter made."""
