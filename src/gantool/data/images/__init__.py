"""Reading any image a person has, and giving the result back the way the image came."""

from gantool.data.images.folders import find_folders, find_images, images_within
from gantool.data.images.formats import SUFFIXES, ImageBytes, ImageSource, is_image
from gantool.data.images.reading import (
    Picture,
    as_rgb,
    is_plain,
    open_image,
    picture_from,
    read_picture,
    read_pixels,
    upright,
    upright_size,
)
from gantool.data.images.writing import encode_picture, write_picture

__all__ = [
    "SUFFIXES",
    "ImageBytes",
    "ImageSource",
    "Picture",
    "as_rgb",
    "encode_picture",
    "find_folders",
    "find_images",
    "images_within",
    "is_image",
    "is_plain",
    "open_image",
    "picture_from",
    "read_picture",
    "read_pixels",
    "upright",
    "upright_size",
    "write_picture",
]
