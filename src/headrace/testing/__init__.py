"""A simulated DynamoDB for the tests of those who use one: a pytest plugin, and what it is made of.

``plugin`` has the fixtures, and is all that pytest loads; everything else comes when a test asks for it.
"""
