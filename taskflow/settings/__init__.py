"""The configuration: read once from the environment and `.env`, checked, then frozen.

configuration  the settings, and what each may be
loading        where they come from, and what is said of them
addresses      URLs, in their one form
origins        who may call from a browser, and with which headers
connections    the connection string of the database
dotenv         the file `.env`
secrets        secrets that others know or can guess
permissions    files and folders that others can change
errors         what is raised where the configuration is wrong
"""

from taskflow.settings.configuration import Settings
from taskflow.settings.errors import SettingsError
from taskflow.settings.loading import load_settings
from taskflow.settings.secrets import MIN_SECRET_BYTES

__all__ = ["MIN_SECRET_BYTES", "Settings", "SettingsError", "load_settings"]
