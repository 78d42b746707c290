"""Arrow -> HTTP."""
