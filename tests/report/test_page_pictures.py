from __future__ import annotations

import numpy as np

from gantool.report.pages import data_uri, picture


def test_a_picture_stays_within_its_share_whatever_it_shows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 900, 3)).astype(np.uint8)
    assert len(data_uri(noise)) > 400_000
    for at_most in (200_000, 45_000, 20_000):
        assert len(data_uri(noise, at_most=at_most)) <= at_most
    flat = np.full((600, 900, 3), 90, np.uint8)
    assert data_uri(flat, at_most=45_000) == data_uri(flat), "what is small is left as it is"
    found = picture("photo", noise, at_most=45_000)
    assert (found["name"], found["width"], found["height"]) == ("photo", 900, 600)
