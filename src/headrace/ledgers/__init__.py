"""Where the deliveries of event source mappings are durable: one SQLite file for all mappings of a Spicepod."""

from headrace.ledgers.ledgers import Ledgers

__all__ = ["Ledgers"]
