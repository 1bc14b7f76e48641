#!/usr/bin/env python3
"""A web server for test-archive.sh:   archive_server.py FOLDER   serves FOLDER on a port of its own choice, which it prints.

Of /busy/NAME the first request gets status 503, of /cut/NAME the first gets half of the file; after that both are NAME."""

import http.server
import os
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    seen = set()

    def do_GET(self):
        _, _, rest = self.path.partition("/")
        way, _, name = rest.partition("/")
        if way not in ("busy", "cut"):
            return super().do_GET()
        first = self.path not in self.seen
        self.seen.add(self.path)
        self.path = f"/{name}"
        if not first:
            return super().do_GET()
        if way == "busy":
            return self.send_error(503)
        with open(name, "rb") as file:
            contents = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(contents)))
        self.end_headers()
        self.wfile.write(contents[: len(contents) // 2])
        self.close_connection = True


os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
