"""Spicepod YAML and the environment -> Dataset."""
