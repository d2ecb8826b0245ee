"""A local Ethereum chain: a real EVM (py-evm) behind a JSON-RPC port, with a token to move.

The token is token.vy; token.json is what `vyper -f abi,bytecode token.vy` (0.4.3) makes of it.
"""

import json
import sys
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Self

from eth_tester import EthereumTester, PyEVMBackend
from eth_typing import ChecksumAddress
from web3 import EthereumTesterProvider, Web3

# py-evm lets the whole process recurse 100,000 deep; then what should be a RecursionError is a crash.
sys.setrecursionlimit(1_000)

TOKEN: Mapping[str, Any] = json.loads(Path(__file__).with_name("token.json").read_text())


class Chain:
    """Every transaction is mined at once. `accounts` are funded; the first one deploys and pays."""

    def __init__(self) -> None:
        self._web3 = Web3(EthereumTesterProvider(EthereumTester(PyEVMBackend())))
        self._rpc = self._web3.provider.request_func(self._web3, self._web3.middleware_onion)
        # py-evm serves one caller at a time.
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Front, self))
        self._server.daemon_threads = True
        self.accounts: list[ChecksumAddress] = list(self._web3.eth.accounts)
        self.posts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def deploy_token(self, symbol: str, decimals: int, supply: int) -> ChecksumAddress:
        """A new ERC-20 whose whole supply, in its smallest unit, belongs to the first account."""
        with self._lock:
            factory = self._web3.eth.contract(abi=TOKEN["abi"], bytecode="".join(TOKEN["bytecode"]))
            sent = factory.constructor(symbol, symbol, decimals, supply).transact({"from": self.accounts[0]})
            address = self._web3.eth.get_transaction_receipt(sent)["contractAddress"]
        assert address is not None
        return address

    def transfer(self, token: ChecksumAddress, to: ChecksumAddress, units: int) -> None:
        with self._lock:
            contract = self._web3.eth.contract(token, abi=TOKEN["abi"])
            contract.functions.transfer(to, units).transact({"from": self.accounts[0]})

    def pay(self, to: ChecksumAddress, wei: int) -> None:
        with self._lock:
            payment = {"from": self.accounts[0], "to": to, "value": wei}
            self._web3.eth.send_transaction(payment)  # type: ignore[arg-type]

    def answer(self, request: Any) -> Any:
        """The JSON-RPC response to one request or to a batch."""
        if isinstance(request, list):
            return [self.answer(one) for one in request]
        with self._lock:
            response = self._rpc(request["method"], request.get("params", []))
        return {**_spelled(response), "id": request["id"], "jsonrpc": "2.0"}

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A response in two segments would wait for the client's delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def __init__(self, chain: Chain, *arguments: Any) -> None:
        self._chain = chain
        super().__init__(*arguments)

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._chain.posts += 1
        body = json.dumps(self._chain.answer(request)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return None


def _spelled(value: Any) -> Any:
    """As JSON-RPC spells it: quantities and bytes in hexadecimal."""
    match value:
        case bool() | None | str():
            return value
        case int():
            return hex(value)
        case bytes():
            return "0x" + value.hex()
        case Mapping():
            return {key: _spelled(one) for key, one in value.items()}
        case _:
            return [_spelled(one) for one in value]
