# SPDX-License-Identifier: Apache-2.0
"""Certificates for one test run, by openssl: an authority, a server 127.0.0.1 and localhost, a client, and a stranger's
client certificate of another authority."""
import dataclasses
import pathlib

import peers


@dataclasses.dataclass(frozen=True)
class Certificates:
    folder: pathlib.Path

    def __getattr__(self, name):
        """ca, server, server_key, client, client_key, stranger, stranger_key: paths."""
        stem, _, key = name.partition("_key")
        if stem not in ("ca", "other_ca", "server", "client", "stranger") or key:
            raise AttributeError(name)
        return str(self.folder / f"{stem}.{'key' if name.endswith('_key') else 'crt'}")


def make(folder):
    """Certificates in `folder`, valid for a day."""
    openssl = peers.program("openssl")
    made = Certificates(pathlib.Path(folder))

    def run(*arguments):
        peers.run(openssl, *arguments, cwd=folder)

    def authority(name):
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-subj", f"/CN=kiln test {name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")

    def certificate(name, issuer, extensions):
        (made.folder / f"{name}.ext").write_text(extensions, encoding="ascii")
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-CAcreateserial",
            "-days", "1", "-extfile", f"{name}.ext", "-out", f"{name}.crt")

    authority("ca")
    authority("other_ca")
    certificate("server", "ca", "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
    certificate("client", "ca", "extendedKeyUsage=clientAuth\n")
    certificate("stranger", "other_ca", "extendedKeyUsage=clientAuth\n")
    return made
