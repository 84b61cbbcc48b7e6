"""Several services together: which there are, what they agreed on, and how one forwards a client's request to another."""
