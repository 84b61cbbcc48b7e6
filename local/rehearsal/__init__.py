"""A project of Google Cloud for a rehearsal of a deployment: the real gcloud, and nothing of Google behind it.

gcloud reaches Google through a proxy of ours, which ends TLS under Google's own names; what it deploys is unpacked and
started, and answers under its own address. Which calls there are and what they may say is read out of the gcloud that is
installed. What it does not do is listed in `docs/REHEARSAL.md`.

    python -m local.rehearsal            a shell in such a project
    python -m local.rehearsal COMMAND    one command in it

Where things are, from the wire inwards:
    proxy, authority, wire          tunnels, certificates for any name, requests and replies
    stage, checkout                 all of it started, and the environment in which gcloud finds it; a copy of this checkout
    definitions, definitions_dump   what gcloud says of Google's interfaces
    answer, table, journal          the steps of every call; which calls there are; what was asked
    keys, tokens, functions_front, balancer, uploads     who answers otherwise: Cloud KMS and Secret Manager, the log-in, what
                                    was deployed, with a load balancer or without, and what is sent to Cloud Storage
    world, resources, access        everything there is; what was made; who may do what
    standard                        resources of the usual kind
    projects, service_accounts, paying, observing, logs, storage, builds, functions, compute     what each call does
    firestore, documents, emulator, memorystore, programs     stores, and what stands behind them
    run_services, run_revisions, run_view, launch     Cloud Run, how it looks from outside, and the processes that it starts
    passing, issuer                 a request handed on to such a process; an identity provider whose tokens it takes
"""
