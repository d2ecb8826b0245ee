"""The way of a command through this process: claimed or inserted, sent to its node, settled by its outcome.

For the others: `dispatcher` (takes commands from workers and waiting callers), `execute` (run one and wait) and
`transport` (the connections to the streaming nodes).
"""
