"""Downloads a package and compares it with its checksum. Interruptions are tried again; a wrong checksum is not."""

import hashlib
import time
import urllib.error
import urllib.request

from step import Failed, step

ATTEMPTS = 3
TIMEOUT = 60  # seconds without a byte
PIECE = 1 << 20


def download(url, path):
    """Writes what `url` has to `path`. Returns its SHA-256 and its size in bytes."""
    digest, size = hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response, open(path, "wb") as file:
        announced = response.headers.get("Content-Length")
        while piece := response.read(PIECE):
            digest.update(piece)
            size += file.write(piece)
    if announced is not None and size != int(announced):
        raise ConnectionError(f"cut off after {size} of {announced} bytes")
    return digest.hexdigest(), size


def fetch(url, path):
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return download(url, path)
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS:
                raise Failed(f"{url}: HTTP status {error.code} ({error.reason})") from None
            print(f"{url}: {error}")
        # Of the system's errors only those of connections pass; a full disk is none.
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if attempt == ATTEMPTS or url.startswith("file:"):
                raise Failed(f"{url}: {getattr(error, 'reason', error)}") from None
            print(f"{url}: {error}")
        time.sleep(5 * attempt)


with step(snakemake) as figures:
    url, wanted = snakemake.params.source, snakemake.params.sha256
    found, size = fetch(url, snakemake.output.package)
    if found != wanted:
        raise Failed(f"{url}: wrong checksum: its SHA-256 is {found}, the list says {wanted}")
    figures["bytes"] = size
