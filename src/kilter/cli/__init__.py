"""The command line. One file per verb: options, one call, one print.

`console.py` alone prints and picks exit codes; `main.py` holds the table of verbs; nothing here decides anything
about projects, clusters or tools.
"""
