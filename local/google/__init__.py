"""Cloud KMS and Secret Manager for one machine: real cryptography behind the interfaces of Google, over HTTP and gRPC.

It stands in for a project of Google Cloud in `make run`, the tests and the measurements, and refuses what a project
refuses: states, algorithms, checksums, permissions, names, quotas. Keys and secrets live in its memory alone. What it
does not do is listed in `docs/local-google.md`.

    python -m local.google --port 8090 --grpc-port 8091 --setup setup.json

Where things are, from the wire inwards:
    rest, rpc, json_wire     HTTP/1.1 and gRPC; both end in `answer`
    metadata, control        the metadata server that gives out tokens; what tests change and count
    answer, methods          the steps of every call; the table of calls
    kms, kms_admin, secret_manager, iam     what each call does
    cloud, setup             everything there is, and how it starts
    key_store, secret_store, policies, accounts, quotas, faults, operations     its parts
    material, names, status  cryptography, resource names, refusals
"""
