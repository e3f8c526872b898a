"""Files that a connection string names are read before the start: what libpq could not use is no outage."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.certificates import make_certificate
from tests.support.configuration import complain, load

URL = "postgresql://owner@ep-cool-1.neon.tech/db"
NOT_ITS_CERTIFICATE = "is wrong in sslcert, which must be a certificate (PEM) that belongs to sslkey"


def encrypt(key: Path) -> Path:
    """Write a key with a passphrase beside another one."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    encrypted = key.with_name("encrypted.pem")
    encrypted.touch(0o600)
    encrypted.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    return encrypted


@pytest.fixture
def certificate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A certificate and its key; there is none in the home folder."""
    monkeypatch.setenv("HOME", str(folder))
    _, certificate, key = make_certificate(folder)
    key.chmod(0o600)
    return certificate, key


def test_a_certificate_and_its_key_are_taken(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """In PEM, in DER as far as can be seen, and encrypted with the passphrase beside it."""
    path, key = certificate
    url = f"{URL}?sslcert={path}&sslkey="
    assert load(monkeypatch, DATABASE_URL=f"{url}{key}").dsn == f"{url}{key}"
    encrypted = f"{url}{encrypt(key)}&sslpassword=open%20sesame"
    assert load(monkeypatch, DATABASE_URL=encrypted).dsn == encrypted
    key.write_bytes(b"\x30\x82 not PEM")
    assert load(monkeypatch, DATABASE_URL=f"{url}{key}").dsn == f"{url}{key}"
    engine = f"{url}engine:key"
    assert load(monkeypatch, DATABASE_URL=engine).dsn == engine


def test_a_key_of_another_certificate_is_named(
    certificate: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so is what is no certificate, or no key."""
    path, key = certificate
    (folder / "other").mkdir()
    _, _, other = make_certificate(folder / "other")
    other.chmod(0o600)
    assert complain(monkeypatch, DATABASE_URL=f"{URL}?sslcert={path}&sslkey={other}") == [
        f"DATABASE_URL {NOT_ITS_CERTIFICATE}."
    ]
    assert complain(monkeypatch, DATABASE_URL=f"{URL}?sslcert=/etc/passwd&sslkey={key}") == [
        f"DATABASE_URL {NOT_ITS_CERTIFICATE}."
    ]
    other.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    assert complain(monkeypatch, DATABASE_URL=f"{URL}?sslcert={path}&sslkey={other}") == [
        f"DATABASE_URL {NOT_ITS_CERTIFICATE}."
    ]


@pytest.mark.parametrize("password", ["", "&sslpassword=", "&sslpassword=wrong"])
def test_a_key_that_would_ask_for_its_passphrase_is_named(
    password: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server has nobody at its terminal."""
    path, key = certificate
    url = f"{URL}?sslcert={path}&sslkey={encrypt(key)}{password}"
    sentence = "DATABASE_URL is wrong in sslpassword, which must be the passphrase of sslkey."
    assert complain(monkeypatch, DATABASE_URL=url) == [sentence]


def test_a_certificate_needs_its_key(
    certificate: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none is named, libpq takes the one of the home folder."""
    path, key = certificate
    url = f"{URL}?sslcert={path}"
    sentence = "DATABASE_URL must have sslkey beside sslcert, the file of its private key (PEM)."
    assert complain(monkeypatch, DATABASE_URL=url) == [sentence]
    (folder / ".postgresql").mkdir()
    key.rename(folder / ".postgresql" / "postgresql.key")
    assert load(monkeypatch, DATABASE_URL=url).dsn == url


def test_revoked_certificates_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is none, and a folder that is not there, would revoke nothing."""
    assert complain(monkeypatch, DATABASE_URL=f"{URL}?sslcrl=/etc/passwd") == [
        "DATABASE_URL is wrong in sslcrl, which must be a file of revoked certificates (PEM)."
    ]
    assert complain(monkeypatch, DATABASE_URL=f"{URL}?sslcrldir=/etc/passwd") == [
        "DATABASE_URL is wrong in sslcrldir, which must be a folder that this user can read."
    ]
    url = f"{URL}?sslcrldir={folder}"
    assert load(monkeypatch, DATABASE_URL=url).dsn == url


def test_passwords_that_others_can_read_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libpq would pass over them, and every login fail; where there is a password, nobody reads the file."""
    passwords = folder / "passwords"
    passwords.write_text("*:*:*:*:s3cr3t\n")
    passwords.chmod(0o640)
    url = f"{URL}?passfile={passwords}"
    sentence = "DATABASE_URL is wrong in passfile, a file that others can read; run `chmod 600` on it."
    assert complain(monkeypatch, DATABASE_URL=url) == [sentence]
    with_password = url.replace("owner@", "owner:s3cr3t@")
    assert load(monkeypatch, DATABASE_URL=with_password).dsn == with_password
    passwords.chmod(0o600)
    assert load(monkeypatch, DATABASE_URL=url).dsn == url
