"""Counts the requests for `/visits` in its database; everything else is answered without."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

WORD = "visits"
DATABASE = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


class Handler(BaseHTTPRequestHandler):
    """Answers with a word and a number."""

    def do_GET(self) -> None:
        """Count, where that is asked for."""
        if self.path == "/visits":
            DATABASE.execute("INSERT INTO visits DEFAULT VALUES")
        row = DATABASE.execute("SELECT count(*) FROM visits").fetchone()
        body = f"{WORD}: {row[0] if row else None}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


DATABASE.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz DEFAULT now())")
ThreadingHTTPServer(("", 8000), Handler).serve_forever()
