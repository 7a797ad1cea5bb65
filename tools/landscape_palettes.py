"""Colors of landscapes, each from dark to light: what nature and painters give them."""

__all__ = ["BARKS", "CLOUDS", "GROUNDS", "LEAVES", "NEEDLES", "RANGES", "SKIES", "SNOWS", "WATERS"]

SKIES = (
    "3f86cf 7fb9e8 d6ebf7",
    "2c5fa8 8fc0ee f4f6f8",
    "7a6aa8 f08f6a ffd9a0",
    "94a2b0 c3ccd4 e6ebef",
    "1d2c4f 3d5f92 7f9cc0",
    "5aa7d8 b6dcf0 fdf3d8",
    "c56a52 f4b66c fff0a8",
    "6d7f95 a6b7c6 f2e3dd",
    "4f8f9f 9fd0cf f5f0da",
    "141a2e 2b3450 5a5f7a",
    "88a8c8 c8b8d8 f8d8d8",
    "e0d2b0 efe6cf faf6ea",
    "3a7ad0 3a90e0 60b0f0",
)
CLOUDS = (
    "a9b4c2 e1e8f0 ffffff",
    "8d7f95 e5b8a5 fff1df",
    "6f7886 a5adb8 dfe4ea",
    "c9d3e0 eef2f7 ffffff",
    "5a5468 a88a96 f7d2b8",
)
RANGES = (
    "5d7196 7f92b0 a3b1c6",
    "4a5a4c 6f7d62 99a07f",
    "3d3a52 6d6a8c a9a6c4",
    "5b4a40 8a7360 c2a98c",
    "2a3648 56687f 9fb3c6",
    "6b7180 a9b0bd eceff5",
    "7a4a3c a86e50 dca878",
    "4b3f5f 8a6f9a d0b4d4",
    "3c4a3a 5f7254 8fa070",
    "70665c 9c9184 cfc6b8",
)
SNOWS = (
    "9fb2d0 dfe8f4 ffffff",
    "a9a3c8 e4e0f2 ffffff",
    "c8b0a8 f4e4d8 fffaf2",
    "8aa0bc cfdcea fafdff",
)
LEAVES = (
    "1d3d16 3f7a2a 8fc050",
    "0f2d14 2c5c28 6f9a40",
    "4a3a12 a8701e e8b83c",
    "5a2416 b0482a e88a4a",
    "0c2418 1f4a34 4f7f5a",
    "2f3f1a 6a7f34 b8c46a",
    "54463d 7d6d62 b3a79d",
    "6a7a86 aebcc6 f0f5f8",
    "0a1612 1c2c22 3c4e3a",
    "5c5a1a a09a2c e0d860",
)
NEEDLES = (
    "0c1f18 1d4a33 3c8046",
    "0a1a20 1d3c46 4a7480",
    "101a12 26402a 52704a",
    "1b3a33 52706c e6edf2",
    "14141c 2c2c3a 565668",
)
GROUNDS = (
    "3f7a2a 5fa03a 93c552",
    "5a6a24 8f9a3a c8c860",
    "6a4a2c 96703f c8a468",
    "7a6a54 a8967a d8c8a8",
    "c3cfe2 e0e8f3 fbfdff",
    "3c3a34 6c685e a09a8c",
    "2c4a1c 4c7030 88a450",
    "8a6a2c c09a48 ecd088",
    "4a2c1c 7a4c34 b07c58",
    "b8a888 d8c8a4 f0e6c8",
    "202a18 3c4a2a 66743f",
)
WATERS = (
    "1d4f8c 2f78b8 7fbfe0",
    "14323c 2c5c68 7fa8a8",
    "7c98b4 a3bcd2 d6e4ee",
    "0f2440 25507c 88b0d0",
    "2c5a5a 4f9090 a8d8d0",
    "3a3448 6a6488 c0a8b8",
    "101c20 24383c 5c7478",
    "4a5a34 7a8a54 b8c088",
)
BARKS = (
    "2c2018 54402e 8c705a",
    "4a4640 8a857c e0dcd4",
    "1c1410 3a2a22 6a5040",
    "3a3a3a 6a6a6a b0b0b0",
)
