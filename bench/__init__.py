"""Measurements of the service as it runs in production. `make bench-…` runs them; docs/performance.md reads them.

Each starts real processes, checks every answer, and prints a table and a JSON file of figures: `rounds` interleaves
and summarises, `host` starts a function, `deployment` sets it up, `nations` three that work together, `report` writes.
"""
