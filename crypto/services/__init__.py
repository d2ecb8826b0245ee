"""The use cases, one shelf a capability. Only they write the state of anything.

A shelf's own docstring says what it is for and which of its modules the others may use. The order of the shelves, and
what is private in each, is kept by import-linter.
"""
