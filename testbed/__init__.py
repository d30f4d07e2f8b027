"""The testbed: makes a bare Debian machine able to run the real kind, Tilt and Helm, without changing the product.

Only the standard library lives here, and nothing in here is imported by the product.
"""
