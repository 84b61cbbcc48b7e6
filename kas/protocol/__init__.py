"""The wire: bytes become the values of `kas.protocol.values` and results become bytes. The field names of
rewraps live here only; those of what OpenTDF clients ask besides are in `kas.platform`.
"""
