"""Settings: one pydantic schema, filled from a preset, a YAML file and flags, in this order."""

from gantool.settings.schema import Settings
from gantool.settings.sources import PRESETS, load_settings, preset_text, read_settings, to_yaml

__all__ = ["PRESETS", "Settings", "load_settings", "preset_text", "read_settings", "to_yaml"]
