"""The configuration: read once from the environment and `.env`, checked, then frozen.

configuration  the settings, and what each may be
addresses      origins, URLs and connection strings, in their one form
dotenv         the file `.env`
errors         what is raised where the configuration is wrong
"""

from taskflow.settings.configuration import MIN_SECRET_BYTES, Settings, load_settings
from taskflow.settings.errors import SettingsError

__all__ = ["MIN_SECRET_BYTES", "Settings", "SettingsError", "load_settings"]
