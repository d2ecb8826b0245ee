"""The desired state of clients, connected or not: standing orders and configurations, and which clients differ.

For the others: `standing_orders`, `assignment` (which order keeps which client paused), `enforcement`,
`configurations` and `drift`.
"""
