"""Decisions: who may have a data key. Pure: values in, a decision with its reasons out; no own clock,
and no I/O but that `rules` reads its files at start.
"""
