"""Decides what to read and when to apply it: a pure machine, and what runs it."""
