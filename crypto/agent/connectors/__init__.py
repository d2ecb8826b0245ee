"""Where balances come from."""
