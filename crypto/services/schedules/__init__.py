"""Schedules: operations that start by the clock.

For the others: the names below. All modules of this shelf are private.
"""

from .planning import next_runs, prepare
from .runs import run_now, tick
from .validation import check, problem

__all__ = ["check", "next_runs", "prepare", "problem", "run_now", "tick"]
