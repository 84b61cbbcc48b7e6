"""Other Key Access Services: which there are, what may pass to and from each, and their keys.

Guarantees that only addresses of the registry are ever contacted: what a caller names is compared with them and never
asked. Each service is known by its exact addresses and by keys that the operator has pinned, themselves or by their
thumbprints, and no two share either. Nothing passes between two that have no agreement. `security.md` §5 of the
specification says what a partner is trusted with and what not.
"""
