"""The images within a multipart body, as places in it: nothing is copied and nothing is written to the disk.

It is done by a worker, which may be killed, since a body can be made to take long.
"""

from __future__ import annotations

from gantool.serve.limits import Refusal

__all__ = ["image_parts"]

_LARGEST_HEADERS = 8192  # bytes, of a part
_MOST_PARTS = 1000


def image_parts(body: bytes, content_type: str) -> list[tuple[int, int]]:
    """Where the parts that came as files lie in a body, as (start, end); names of fields and files are not looked at.

    Raises:
        Refusal: the body is not what its type says.
    """
    from python_multipart import MultipartParser
    from python_multipart.exceptions import MultipartParseError
    from python_multipart.multipart import parse_options_header

    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 200:
        raise Refusal(400, "The multipart body has no boundary.")
    parts = _Parts()
    parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
    # The parser says where data lies in what it was given, so it is given all at once.
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError:
        raise Refusal(400, "The multipart body is malformed.") from None
    if not parts.ended:
        raise Refusal(400, "The multipart body is cut off.")
    if not parts.files:
        raise Refusal(400, "The multipart body has no file: send the image as one, such as -F image=@photo.jpg.")
    return parts.files


class _Parts:
    """What the parser tells."""

    def __init__(self) -> None:
        self.files: list[tuple[int, int]] = []
        self.ended = False
        self._headers = b""
        self._name = b""
        self._value = b""
        self._is_file = False
        self._start, self._stop = -1, -1
        self._count = 0

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def _begin(self) -> None:
        self._is_file, self._start, self._stop = False, -1, -1
        self._count += 1
        if self._count > _MOST_PARTS:
            raise Refusal(413, f"The multipart body has more than {_MOST_PARTS} parts.")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name = self._grown(self._name, data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value = self._grown(self._value, data[start:end])

    def _grown(self, text: bytes, more: bytes) -> bytes:
        if len(text) + len(more) > _LARGEST_HEADERS:
            raise Refusal(400, "The multipart body is malformed.")
        return text + more

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition" and b"filename" in self._value.lower():
            self._is_file = True
        self._name, self._value = b"", b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._start = start if self._start < 0 else self._start
        self._stop = end

    def _end(self) -> None:
        if self._is_file:
            self.files.append((max(self._start, 0), max(self._stop, 0)))

    def _all(self) -> None:
        self.ended = True
