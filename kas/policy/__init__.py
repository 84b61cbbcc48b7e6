"""Decisions: who may have a data key. Pure: values in, a decision with its reasons out; no I/O and no own clock."""
