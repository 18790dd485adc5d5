"""A certificate authority of the sandbox's own, made anew for each sandbox or kept in its folder."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import trustme


class Authority:
    """Issues the certificate of a stand-in that is served over TLS.

    Attributes
    ----------
    ca_file : the authority's certificate in PEM, for clients to trust
    """

    def __init__(self, folder: Path | None) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="caseferry-sandbox-ca-")
        place = folder or Path(self._temporary.name if self._temporary else ".")
        place.mkdir(parents=True, exist_ok=True)
        self.ca_file = place / "ca.pem"
        self._authority = _kept(self.ca_file, place / "ca.key") if folder else trustme.CA()
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self._context: ssl.SSLContext | None = None

    def server(self) -> ssl.SSLContext:
        """What a server on loopback needs to speak TLS."""
        if self._context is None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert("127.0.0.1", "localhost").configure_cert(self._context)
        return self._context

    def close(self) -> None:
        """Remove a certificate that was only for this sandbox."""
        if self._temporary is not None:
            self._temporary.cleanup()


def _kept(certificate: Path, key: Path) -> trustme.CA:
    """The authority of an earlier sandbox in the same folder, whose clients trust it, or a new one."""
    if certificate.is_file() and key.is_file():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    authority = trustme.CA()
    key.touch(mode=0o600)
    key.write_bytes(authority.private_key_pem.bytes())
    return authority
