"""What clients report: collected from all their streams and stored in bulk.

For the others: `inbox` (hand a record in, learn that it is committed) and `store` (each kind's bulk statement).
"""
