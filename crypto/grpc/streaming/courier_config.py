"""What a courier may be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CourierConfig:
    """Seconds, bytes and counts."""

    window: int = 2_000
    """Orders in flight per process; callers wait beyond it."""
    batch_orders: int = 500
    batch_bytes: int = 1024 * 1024
    max_command_bytes: int = 4 * 1024 * 1024
    margin: float = 2.0
    """How much longer than the order's own timeout the courier waits for the node's word."""
    handover_timeout: float = 15.0
    """Stands for the timeout of orders that do not wait for the ack."""
    connect_timeout: float = 5.0
