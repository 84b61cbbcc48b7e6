"""What must be remembered between requests: used proofs, what limits have counted, unwrapped keys. In the memory of the one
worker process, or in a store that several instances share.
"""
