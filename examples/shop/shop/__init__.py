"""A small shop: the web process takes orders, the worker handles them."""
