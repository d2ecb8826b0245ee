"""The same wire with nothing behind it: no ledger, no sessions, no deadlines, no order, nothing stored.

Event loop, channel options and garbage collection are the product's own, so that a ratio shows what the product adds.
"""
