"""A second service on the streaming core: trading bots. Shares nothing with the crypto service."""
