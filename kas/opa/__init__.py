"""Open Policy Agent as the one that decides (`policy.md` §4 of the specification). `docs/opa.md` is for its operator."""
