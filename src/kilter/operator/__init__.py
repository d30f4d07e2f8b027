"""The cluster edge of the platform: keeps every KilterApp as its spec wants it.

A watch loop feeds a queue of keys; a worker reads the newest state of its key and walks the ordered steps, and one
function writes status. A step is a pure decision over observed state; thin executors carry its effects out. asyncio
lives in the loop and the watches alone: all else is synchronous and runs in threads. Only the leader writes.

`upkeep` is a program of its own, which starts the platform's registry anew.
"""
