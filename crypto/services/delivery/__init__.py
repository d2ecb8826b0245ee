"""The way of a command through this process: claimed or inserted, handed to the wire, settled when it comes back.

For the others: `dispatcher` (what workers and waiting callers hand their commands to), `execute` (run one and wait) and
`transport` (the wire to the streaming nodes).
"""
