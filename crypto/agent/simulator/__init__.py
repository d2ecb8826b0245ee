"""Agents for demonstrations, trials and benchmarks: whole fleets in one process, some of which misbehave on request.

An agent of one's own needs nothing of this; `python -m crypto.agent` runs it.
"""
