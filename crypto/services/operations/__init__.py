"""One command to many clients: whom it means, in which order they get it, how far it is, when it is over.

For the others: `start`, `actions` (pause, resume, cancel, retry), `rollout` (the tick), `progress`, `policy`,
`selectors` and `targets`.
"""
