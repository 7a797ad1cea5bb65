from __future__ import annotations

import gc
from pathlib import Path

from gantool.shards.index import INDEX, IndexBuilder
from gantool.shards.parts import Packed, Shard
from gantool.workflows.image_inputs import ImageInput, find_inputs


def test_images_in_shards_that_are_not_taken_are_not_kept(workplace: Path) -> None:
    builder = IndexBuilder()
    Path("set").mkdir()
    for n in range(4):
        for image in range(100):
            number = builder.add(n, Packed(f"{image}.jpg", 512 + image * 1024, 500, 1))
            builder.sample("train", "", f"{n}{image:02d}", number)
        shard = Shard(f"train-{n:06d}.tar", 2**17)
        Path("set", shard.name).write_bytes(bytes(shard.size))
        builder.shards.append(shard)
    builder.write(Path("set", INDEX), {"kind": "images"}, checked=True)

    alive = []

    def takes(item: ImageInput) -> bool:
        if item.path.name == "50.jpg":
            alive.append(sum(type(one) is ImageInput for one in gc.get_objects()))
        return item.path.name == "0.jpg"

    found = find_inputs(["set"], [], recursive=False, marks=set(), stdin=None, takes=takes)
    assert [(item.tree.as_posix(), item.place) for item in found] == [
        (f"train-{n:06d}", 100 * n + 1) for n in range(4)
    ]
    assert all(count <= place + 2 for place, count in enumerate(alive, 1)), "only those that are taken, and this one"
