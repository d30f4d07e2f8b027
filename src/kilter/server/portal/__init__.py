"""The portal: pages for people over the routes of the API, which alone decide who sees and does what.

A page asks API routes in the name of the browser's session and shows what they answer. Nothing here reads or changes
anything past them, but for what a page needs besides: its session, and the events that a route streams.
"""
