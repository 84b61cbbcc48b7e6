"""What must be remembered between requests. Today: used proofs, in the memory of the one worker process."""
