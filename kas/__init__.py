"""A Key Access Service (KAS) for the Zero Trust Data Format (ACP-240) and OpenTDF.

It releases data keys. A client shows an access token, a DPoP proof and wrapped keys that are bound to an attribute
policy; the service checks who asks and what the policy says, unwraps, and rewraps to the client's own key.

Trust boundaries
    Everything in a request is a stranger's until the module that proves it says otherwise. While a token, proof or key
    is being proved such values are named ``unverified_…``; what `protocol` returns is read and not proved. Trusted are
    the configuration, the configured issuers for the countries they may speak for, and the key service. Whoever ends
    TLS is not trusted with keys: a client that sends ``clientKeyHash`` is safe from it.

Where things are (a module imports only from rows below its own)
    service                      wiring
    admin                        commands of an operator; the service imports none of it
    web                          HTTP: edge, body, limits, routes, the functions host
    parts                        what the routes share
    files, request_limits, stores  what the configured files say; the bounds of requests; what is remembered
    rewrap, explain, publish_keys  the use cases
    release                      what happens to each key access object
    federation, rounds, recombination  other services; alternatives; splits of one key
    platform                     what clients of OpenTDF ask besides
    audit, health, metrics       the record; whether it can work; what it counts
    events                       what the audit says
    cases                        what is found out about each key access object
    opa, findings                another program decides; what a decision looked at, in words
    engine                       one decision for both vocabularies of policies
    protocol                     the wire, one package a dialect
    keys                         unwrap keys, what holds and opens them, their budget
    auth, policy                 who asks; what the policy says
    crypto, state                bindings and wrapping; what is remembered between requests
    journal                      what is learnt about one request
    google                       tokens, Secret Manager and Cloud KMS, as far as they are needed
    jose, datakey, schema, fetch
    net                          HTTP/1.1, bounded in time, size and number
    cost                         what it costs: a month, and one request
    cache, ratelimit, diagnostics, jwa, seldom, tls
    config, descriptor
    environment, state_settings
    setting
    encoding, references
    host_variables
    uri
    errors                       every refusal and its answer
    dataclass                    a decorator that costs little at import
"""
