"""Schedules: what starts operations by the clock."""

from .planning import next_runs, prepare
from .runs import run_now, tick
from .validation import check, problem

__all__ = ["check", "next_runs", "prepare", "problem", "run_now", "tick"]
