"""The audit trail: lines that nobody can change or take out unseen, and the commands that see it.

Guarantees that each line of a process hangs on the one before it (`chain`), that checkpoints in between are signed with the
key that signs results (`checkpoint`), and that a line is written whole or nothing is released (`log`). `verify` says where a
trail was changed or cut, `reconcile` whether Cloud KMS was asked for what it says. What neither can see stands in
`docs/security-model.md`.
"""
