"""The server's memory: tokens, environments, deploys and their events, the audit trail.

What is done to it is written as functions of a transaction (`Tx`), once for all databases; an `Engine` runs them, each
call one transaction. SQLite serves one replica, PostgreSQL several.
"""
