from crypto.models.cause import Cause
from crypto.models.client import Client, ClientStatus
from crypto.models.command_log import CommandLog, Offline, Source, State
from crypto.models.configuration import Configuration, ConfigurationVersion
from crypto.models.operation import Operation, OperationState, Snapshot
from crypto.models.report import ClientError, ClientLog
from crypto.models.schedule import Missed, Overlap, RunOutcome, Schedule, ScheduleRun
from crypto.models.standing_order import StandingOrder
from crypto.models.stream_node import StreamNode
from crypto.models.transaction import Transaction, TransactionType
from crypto.models.wallet import Wallet
from crypto.models.worker_beat import WorkerBeat

__all__ = [
    "Cause",
    "Client",
    "ClientError",
    "ClientLog",
    "ClientStatus",
    "CommandLog",
    "Configuration",
    "ConfigurationVersion",
    "Missed",
    "Offline",
    "Operation",
    "OperationState",
    "Overlap",
    "RunOutcome",
    "Schedule",
    "ScheduleRun",
    "Snapshot",
    "Source",
    "StandingOrder",
    "State",
    "StreamNode",
    "Transaction",
    "TransactionType",
    "Wallet",
    "WorkerBeat",
]
