"""Delivers a stream's records to a function or a target: AWS Lambda's event source mapping, as a pure machine."""
