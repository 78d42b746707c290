"""SQL -> Arrow."""
