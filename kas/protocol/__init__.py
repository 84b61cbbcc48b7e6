"""The wire: bytes become the values of `kas.protocol.values` and results become bytes. Field names live here only."""
