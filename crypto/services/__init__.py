"""The use cases, one shelf (sub-package) for each capability. Nothing else writes the state of a command.

A shelf's own docstring says what it is for and which of its modules the others may use. The order of the shelves, and
what is private in each, is kept by import-linter.
"""
