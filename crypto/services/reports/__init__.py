"""What clients report: gathered across their streams and stored in bulk.

For the others: `inbox` (hand a record in, learn that it is committed) and `store` (each kind's bulk statement).
"""
