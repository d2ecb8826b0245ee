"""The life of one command: issued, admitted, claimed, settled, swept. All other shelves stand on it.

For the others: `issue`, `issue_inline`, `claim`, `attempt`, `cancel`, `supersede`, `void`, `sweep`, `prune`, `queue`,
`admission`, `override`, `settle` and, of `sql`, `rows`, `statements` and `bulk_insert`.
"""
