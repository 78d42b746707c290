"""Scan and Streams -> ChangeBatch. The only room that knows AWS."""
