"""`python -m tests.bots [port]`: a bots server as its own process; says its port, runs until killed."""

import asyncio
import sys

from tests.bots.server import bot_server


async def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    async with bot_server(port=port) as running:
        print(running.port, flush=True)
        await running.server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
