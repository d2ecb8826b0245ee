"""One command to many clients: which clients, in which order, how far it is, and when it ends.

For the others: `start`, `actions` (pause, resume, cancel, retry), `rollout` (the tick), `progress`, `policy`,
`selectors` and `targets`.
"""
