"""Clusters on this machine: the provider of each kind, the engine below them, and the image registry beside them."""
