"""Settings: the schema that methods share, and how it is filled from a preset, a YAML file and flags."""

from gantool.settings.schema import Settings
from gantool.settings.sources import load_settings, overlay, to_yaml

__all__ = ["Settings", "load_settings", "overlay", "to_yaml"]
