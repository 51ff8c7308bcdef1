"""What the central system is put through: kills, crashes, a bad network, a database that fails.

`python -m tests.faults` runs it; see `docs/reliability.md`. No judgement is in the server's hands.
"""
