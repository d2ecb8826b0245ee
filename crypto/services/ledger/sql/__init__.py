"""Hand-made SQL, where the ORM was measured to be the cost: the two dialects side by side in `dialect`."""
