"""The life of one command: issued, admitted, claimed, settled, swept. The record under everything else.

For the others: `issue`, `issue_inline`, `claim`, `attempt`, `cancel`, `supersede`, `void`, `sweep`, `prune`, `queue`,
`admission`, `override`, `settle` and, of `sql`, `rows`, `statements` and `bulk_insert`.
"""
