"""Clients, streaming nodes and workers: which are alive, how busy the lanes are, and why a command is not done.

For the others: `presence`, `node_lease`, `worker_heartbeat`, `lane_load` and `explain`.
"""
