"""Runs on other hosts, read through the user's own ssh into copies that look like any run directory."""
