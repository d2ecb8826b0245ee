"""Where balances come from: one file for each source, and here their names on the command line."""

from collections.abc import Callable, Mapping

from crypto.agent.connectors.base import BadOptions, WalletConnector
from crypto.agent.connectors.simulated import SimulatedConnector

Factory = Callable[[str, int, Mapping[str, object]], WalletConnector]
"""Takes client id, seed and options; raises BadOptions."""


def evm(client_id: str, seed: int, options: Mapping[str, object]) -> WalletConnector:
    try:
        # web3 comes with an extra and takes seconds to import.
        from crypto.agent.connectors.evm import EvmConnector  # noqa: PLC0415
    except ImportError as error:
        raise BadOptions(f"evm connector: {error}; install the extra 'evm'") from error
    return EvmConnector(options)


connectors: dict[str, Factory] = {"simulated": SimulatedConnector, "evm": evm}
