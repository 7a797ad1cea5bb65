"""Writing files atomically, and giving them names that every system accepts."""

from gantool.files.finisher import Finisher
from gantool.files.names import LONGEST_NAME, parse_bytes, safe_name
from gantool.files.targets import ByteStream, Target, folder_of, put
from gantool.files.temporary import atomic, is_alive, is_temporary, new_folder, scratch
from gantool.files.unfinished import FilesTogether, Unfinished, finish_together, finishing_later

__all__ = [
    "LONGEST_NAME",
    "ByteStream",
    "FilesTogether",
    "Finisher",
    "Target",
    "Unfinished",
    "atomic",
    "finish_together",
    "finishing_later",
    "folder_of",
    "is_alive",
    "is_temporary",
    "new_folder",
    "parse_bytes",
    "put",
    "safe_name",
    "scratch",
]
