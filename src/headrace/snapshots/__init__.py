"""Copies stored elsewhere: where they lie, what is written of them, which of them stay."""
