"""Where the settings come from, and what is said of them at the start: mistakes, and warnings."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from taskflow.settings.configuration import Settings
from taskflow.settings.dotenv import is_quoted, read_dotenv
from taskflow.settings.errors import SettingsError
from taskflow.settings.permissions import find_open_parts, find_readers, find_risks
from taskflow.settings.secrets import find_weakness

DOTENV = Path(".env")


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401  as the variables, any text may come
    """Read the configuration of this process: from the caller, else the environment, else `.env`.

    Raises SettingsError with a sentence for every mistake.
    """
    dotenv = read_dotenv(DOTENV, {name.upper() for name in Settings.model_fields})
    in_environment = {name.upper() for name, value in os.environ.items() if value}
    from_file = {name.lower(): value for name, value in dotenv.values.items() if value and name not in in_environment}
    try:
        settings = Settings(**{**from_file, **overrides})
    except ValidationError as error:
        raise SettingsError([_describe_mistake(dict(mistake)) for mistake in error.errors()]) from None
    except RuntimeError:  # the default of the state folder is in a home folder
        raise SettingsError(["TASKFLOW_STATE_DIR must be set, for this user has no home folder."]) from None
    risks = [*find_risks(DOTENV, ".env"), *_find_state_risks(settings)]
    if settings.is_production and risks:
        raise SettingsError(risks)
    settings.add_warnings((*dotenv.warnings, *risks, *_find_doubts(settings)))
    if settings.is_production and not dotenv.values.keys().isdisjoint({"BETTER_AUTH_SECRET", "DATABASE_URL"}):
        settings.add_warnings(find_readers(DOTENV, ".env"))
    return settings


def _find_state_risks(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the state folder; what is in it counts in development alone."""
    folder = settings.taskflow_state_dir
    yield from find_risks(folder, f"TASKFLOW_STATE_DIR {folder}")
    if not settings.is_production:
        yield from find_open_parts(folder, f"TASKFLOW_STATE_DIR {folder}")
        yield from find_risks(settings.secret_file, f"The file {settings.secret_file}")
        yield from find_readers(settings.secret_file, f"The file {settings.secret_file}")


def _find_doubts(settings: Settings) -> Iterator[str]:
    """Yield a sentence for everything that is more likely a mistake than meant."""
    if settings.better_auth_secret is None:
        return
    weakness = find_weakness(settings.secret)  # in production, it has been refused
    if weakness is not None:
        yield f"BETTER_AUTH_SECRET {weakness}."
    if is_quoted(settings.secret.strip()):
        yield (
            "BETTER_AUTH_SECRET begins and ends with a quote, and the quotes are part of the secret; "
            "unless the frontend's has them too, remove them (docker's --env-file passes quotes on as they are)."
        )


def _describe_mistake(mistake: dict[str, object]) -> str:
    location = mistake["loc"]
    variable = str(location[0]).upper() if isinstance(location, tuple) and location else "The configuration"
    if mistake["type"] == "value_error":  # the end of a sentence of ours
        return f"{variable} {str(mistake['msg']).removeprefix('Value error, ')}."
    message = str(mistake["msg"]).removeprefix("Input should be ").removesuffix(".")
    if mistake["type"] == "int_parsing_size":
        return f"{variable} must be a valid integer."
    message = message.removesuffix(", unable to parse string as an integer")
    message = message.removesuffix(", unable to parse string as a number")
    if not message.startswith(("must", "is")):
        message = f"must be {message[:1].lower()}{message[1:]}"
    return f"{variable} {message}."
