"""Desired state in Git: what a deploy looks like as files, the one writer that commits them, and the server of the
platform's own repository.

`layout`, `message`, `flux` and `plan` are pure and decide everything; `clone` and `writer` carry it out through git.
"""
