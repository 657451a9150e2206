"""Runs the application on one machine."""
