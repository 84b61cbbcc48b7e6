"""Operations on keys: policy binding, wrapping to the client's key, result signatures. No I/O but randomness."""
