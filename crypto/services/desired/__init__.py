"""What clients are meant to be, whoever is connected: standing orders and configurations, and who differs from them.

For the others: `standing_orders`, `holds` (what orders do to the records of clients), `enforcement`, `configurations`
and `drift`.
"""
