"""Observers: Prometheus and logs."""
