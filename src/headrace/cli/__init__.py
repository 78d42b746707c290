"""Verbs -> runtime."""
