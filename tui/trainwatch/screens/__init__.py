"""Screens: the run's dashboard, and the questions it asks."""
