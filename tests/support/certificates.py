"""Certificates of an authority that only the tests trust."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """A server's certificate and key, and its authority's certificate, as PEM in files of ``folder``."""

    folder: Path
    certificate: Path
    key: Path
    authority: Path


def made(folder: Path, *names: str) -> Certificates:
    """For a server that goes by ``names``; by the loopback's where there are none."""
    authority = trustme.CA()
    issued = authority.issue_cert(*(names or ("127.0.0.1", "localhost", "::1")))
    found = Certificates(folder, folder / "server.pem", folder / "server.key", folder / "authority.pem")
    found.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(found.key)
    authority.cert_pem.write_to_path(found.authority)
    return found
