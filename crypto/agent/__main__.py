"""`python -m crypto.agent`: the reference client, one or a fleet of them."""

import sys

from crypto.agent.simulator import command_line

if __name__ == "__main__":
    command_line.main(sys.argv[1:])
