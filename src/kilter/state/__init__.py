"""The machine's records: port blocks, credentials, locks, projects seen. Files only; no process, no network."""
