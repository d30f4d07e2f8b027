"""One file per binary: pure builders of commands, parsers of their output; `provision` fetches the pinned binaries."""
