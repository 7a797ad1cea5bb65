"""Settings: one pydantic schema per method, filled from a preset, a YAML file and flags, in this order."""

from gantool.settings.cyclegan import CycleGanSettings
from gantool.settings.pix2pix import Pix2PixSettings
from gantool.settings.schema import Settings
from gantool.settings.segmentation import SegmentationSettings
from gantool.settings.sources import PRESETS, load_settings, preset_text, read_settings, to_yaml

__all__ = [
    "PRESETS",
    "CycleGanSettings",
    "Pix2PixSettings",
    "SegmentationSettings",
    "Settings",
    "load_settings",
    "preset_text",
    "read_settings",
    "to_yaml",
]
