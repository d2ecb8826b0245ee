"""Hand-written SQL for statements where the ORM was the main cost (measured). `dialect` has the two dialects."""
