"""What stands in for the operator's settings while developing: a secret and a database of one's own, and tokens."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
from pydantic import SecretStr

from taskflow.cli.embedded import run_postgres
from taskflow.settings import MIN_SECRET_BYTES, Settings, SettingsError

TOKEN_LIFETIME_SECONDS = 7 * 24 * 3600
"""A week: a token in one's shell history should outlast the day, and not the project."""


@contextmanager
def provide_defaults(settings: Settings) -> Iterator[Settings]:
    """Give the settings with what is missing filled in; in production nothing is."""
    with provide_database(provide_secret(settings)) as complete:
        yield complete


@contextmanager
def provide_database(settings: Settings) -> Iterator[Settings]:
    """Give the settings with a database: the configured one, or an embedded one, which runs while the block does."""
    if settings.database_url is not None:
        yield settings
        return
    with run_postgres(settings.taskflow_state_dir) as url:
        yield settings.model_copy(update={"database_url": SecretStr(url)})


def provide_secret(settings: Settings) -> Settings:
    """Give the settings with a secret: the configured one, or the one kept in the state folder, made when missing.

    In production there may be none, where tokens are signed with published keys alone.
    """
    if settings.better_auth_secret is not None or settings.is_production:
        return settings
    secret = _read_or_make_secret(settings.secret_file)
    return settings.model_copy(update={"better_auth_secret": SecretStr(secret)})


def make_token(settings: Settings, user_id: str) -> str:
    """Sign a token such as the frontend would, for trying out; never in production."""
    if settings.is_production:
        raise SettingsError(["ENVIRONMENT is production, where only the frontend makes tokens."])
    if not user_id:
        raise SettingsError(["USER_ID must not be empty."])
    now = int(time.time())
    claims = {"sub": user_id, "iat": now, "exp": now + TOKEN_LIFETIME_SECONDS}
    for claim, accepted in (("iss", settings.jwt_issuer), ("aud", settings.jwt_audience)):
        if accepted:
            claims[claim] = accepted[0]
    return jwt.encode(claims, settings.secret, algorithm="HS256")


def _read_or_make_secret(path: Path) -> str:
    try:
        if not path.exists():
            _make_secret(path)
        secret = path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise SettingsError(
            [f"TASKFLOW_STATE_DIR {path.parent} cannot be used ({error.strerror}); name one that you can write to."]
        ) from None
    if len(secret) < MIN_SECRET_BYTES or not secret.isascii() or not secret.isprintable():
        raise SettingsError([f"The secret in {path} is damaged; delete the file, and a new one will be made."])
    return secret


def _make_secret(path: Path) -> None:
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    # Written beside and linked into place: of two that start at once, one wins, and the other reads the winner's.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())  # or a power cut might leave the name without the text
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
