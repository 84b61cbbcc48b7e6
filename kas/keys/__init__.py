"""Unwrap keys: which there are (`index`, `registry`), who holds them (`service`), and how they are used (`opener`)."""
