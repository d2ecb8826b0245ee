"""Schedules: what starts operations by the clock."""

from .checks import check, problem
from .planning import next_runs, prepare
from .runs import run_now, tick

__all__ = ["check", "next_runs", "prepare", "problem", "run_now", "tick"]
