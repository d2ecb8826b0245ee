from collections.abc import AsyncIterator

import pytest

from tests.fakes.contract_server import ContractServer, contract_server


@pytest.fixture
async def server() -> AsyncIterator[ContractServer]:
    async with contract_server() as running:
        yield running
