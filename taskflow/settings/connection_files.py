"""The files that a connection string names: libpq reads them once it connects, or passes over that they are missing.

Each check takes the parameters with their values, and how each is called in sentences. It raises ValueError with the
end of a sentence that begins with the variable's name.
"""

import os
import ssl
import stat
from pathlib import Path

_PEM = b"-----BEGIN "


def check_files(parameters: dict[str, str], names: dict[str, str]) -> None:
    """Check that the files are there, that they are what they should be, and who else may read them."""
    files = ["sslrootcert", "sslcert", "sslkey", "sslcrl"]
    if "password" not in parameters:
        files.append("passfile")
    for name in files:
        path = parameters.get(name)
        if path and _is_file(name, path) and not (_exists(path) and Path(path).is_file() and os.access(path, os.R_OK)):
            raise ValueError(f"is wrong in {names[name]}, which must be a file that exists and that this user can read")
    folder = parameters.get("sslcrldir")
    if folder and not (_exists(folder) and Path(folder).is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        raise ValueError(f"is wrong in {names['sslcrldir']}, which must be a folder that this user can read")
    _check_authorities(parameters, names)
    _check_secrets(parameters, names)
    _check_certificate(parameters, names)


def _exists(path: Path | str) -> bool:
    """Whether something is there; not where a folder above it is closed to this user."""
    return os.path.exists(path)  # noqa: PTH110  Path.exists would raise PermissionError there


def _is_file(name: str, path: str) -> bool:
    if name == "sslkey":
        return ":" not in path  # of an engine
    return (name, path) not in {("sslrootcert", "system"), ("passfile", os.devnull)}


def _check_authorities(parameters: dict[str, str], names: dict[str, str]) -> None:
    """Check what the server's certificate is verified with."""
    for name, content in (("sslrootcert", "certificates"), ("sslcrl", "revoked certificates")):
        path = parameters.get(name)
        if path and path != "system":
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            except OSError:  # of which ssl.SSLError is one
                raise ValueError(f"is wrong in {names[name]}, which must be a file of {content} (PEM)") from None
    is_verified = parameters.get("sslmode") in {"verify-ca", "verify-full"}
    if parameters.get("sslrootcert") or not is_verified or "service" in parameters:
        return
    if "HOME" in os.environ and not _exists(Path.home() / ".postgresql" / "root.crt"):
        raise ValueError(
            f"must have sslrootcert beside {names['sslmode']}: sslrootcert=system, with sslmode=verify-full, for the "
            "authorities that the system trusts, or a file of certificates"
        )


def _check_secrets(parameters: dict[str, str], names: dict[str, str]) -> None:
    """Check that nobody else can read them: libpq refuses such a key, and passes over such passwords."""
    for name in ("sslkey", "passfile"):
        path = parameters.get(name)
        if not path or not _is_file(name, path) or (name == "passfile" and "password" in parameters):
            continue
        status = Path(path).stat()
        refused = stat.S_IRWXG | stat.S_IRWXO
        if name == "sslkey" and status.st_uid == 0:
            refused = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP  # as libpq has it: a group may read a key of root's
        if status.st_mode & refused:
            raise ValueError(f"is wrong in {names[name]}, a file that others can read; run `chmod 600` on it")


def _check_certificate(parameters: dict[str, str], names: dict[str, str]) -> None:
    """Check the client's certificate and its key; libpq would ask a terminal for a passphrase that it lacks."""
    certificate, key = parameters.get("sslcert"), parameters.get("sslkey")
    if not certificate or "service" in parameters or (key and not _is_file("sslkey", key)):
        return
    if not key:
        default = Path.home() / ".postgresql" / "postgresql.key" if "HOME" in os.environ else None
        if default is None or not os.access(default, os.R_OK):
            raise ValueError(f"must have sslkey beside {names['sslcert']}, the file of its private key (PEM)")
        key = str(default)
    if not Path(key).read_bytes().lstrip().startswith(_PEM):
        return  # DER, which libpq takes too
    password, was_asked = parameters.get("sslpassword") or "", False

    def give_password() -> str:
        nonlocal was_asked
        was_asked = True
        return password

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, give_password)
    except OSError:
        if was_asked:
            raise ValueError(f"is wrong in {names['sslpassword']}, which must be the passphrase of sslkey") from None
        raise ValueError(
            f"is wrong in {names['sslcert']}, which must be a certificate (PEM) that belongs to sslkey"
        ) from None
