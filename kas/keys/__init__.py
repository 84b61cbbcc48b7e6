"""Unwrap keys: which exist (`registry`), and where they are held (`software`)."""
