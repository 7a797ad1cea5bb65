"""Keep the half of two sets of pictures that tells them apart best.

    python tools/typical_pictures.py data/yosemite data/typical --aside 60

Pictures of two seasons often look alike, and a discriminator learns little from those. A logistic regression (of the
colors of 4x4 fields, the hues, and how saturated, bright, white and green the upper, middle and lower third are) is
trained on four fifths of the training pictures and rates the others, five times; of each domain the half that it is
surest of is copied. The test pictures are copied as they are, so that numbers can be compared; with --aside that many
of the half, drawn at random, become the test pictures: what is chosen by them has not seen those of the set.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SIDE = 32


def features(path: Path) -> NDArray[np.float64]:
    with Image.open(path) as opened:
        image = opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    colors = np.asarray(image) / 255
    hue, saturation, value = np.moveaxis(np.asarray(image.convert("HSV")) / 255, 2, 0)
    fields = colors.reshape(4, SIDE // 4, 4, SIDE // 4, 3).mean((1, 3)).ravel()
    hues = np.histogram(hue, 12, (0, 1), weights=saturation)[0] / SIDE**2
    green = colors[..., 1] - np.maximum(colors[..., 0], colors[..., 2])
    maps = (saturation, value, (saturation < 0.2) & (value > 0.6), green > 0.02)
    thirds = [part.mean() for one in maps for part in np.array_split(one, 3)]
    return np.concatenate([fields, hues, thirds, [colors.std(), saturation.std()]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--aside", type=int, default=0)
    arguments = parser.parse_args()
    names = sorted(path.name for path in (arguments.data / "train").iterdir() if path.is_dir())
    files = [sorted((arguments.data / "train" / name).iterdir()) for name in names]
    known = np.array([features(path) for paths in files for path in paths])
    domain = np.repeat([0, 1], [len(paths) for paths in files])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=5000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    second = cross_val_predict(model, known, domain, cv=folds, method="predict_proba")[:, 1]
    print(f"told apart: {((second > 0.5) == domain).mean():.1%} of {len(domain)} pictures")
    for place, (name, paths) in enumerate(zip(names, files, strict=True)):
        sure = second[domain == place] if place else 1 - second[domain == place]
        kept = np.argsort(-sure, kind="stable")[: round(len(paths) * arguments.share)]
        aside = set(np.random.default_rng(0).choice(kept, arguments.aside, replace=False))
        for part, chosen in (("train", [n for n in kept if n not in aside]), ("test", sorted(aside))):
            folder = arguments.output / part / name
            folder.mkdir(parents=True)
            for n in chosen:
                shutil.copy2(paths[n], folder)
        if not aside:
            shutil.copytree(arguments.data / "test" / name, arguments.output / "test" / name, dirs_exist_ok=True)
        print(f"{name}: {len(kept)} of {len(paths)}, {len(aside)} of them aside")


if __name__ == "__main__":
    main()
