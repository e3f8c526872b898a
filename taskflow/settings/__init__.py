"""The configuration: read once from the environment and `.env`, checked, then frozen.

configuration  the settings, and what each may be
addresses      origins, URLs and connection strings, in their one form
"""

from taskflow.settings.configuration import MIN_SECRET_BYTES, Settings, SettingsError, load_settings

__all__ = ["MIN_SECRET_BYTES", "Settings", "SettingsError", "load_settings"]
