"""More cases than the tests try: ``python tests/fuzz/run.py --count 5000 --seed 7 --kind images --keep found``.

They run in child processes, so that a case that crashes or hangs is a finding like any other.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a forked process has none of its parent's threads
sys.path.insert(0, str(Path(__file__).parent.parent))

from fuzz.isolation import preload, try_in_children
from fuzz.trial import KINDS


def main() -> int:
    parser = argparse.ArgumentParser(description="Damaged files, and what becomes of them.")
    parser.add_argument("--count", type=int, default=1000, help="cases of every kind (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this case alone")
    parser.add_argument("--kind", choices=tuple(KINDS), action="append", help="repeatable; default all")
    parser.add_argument("--keep", type=Path, help="put the files of cases that fail here")
    options = parser.parse_args()
    preload()
    places: Counter[str] = Counter()
    for kind in options.kind or KINDS:
        began, failed = time.monotonic(), 0
        numbers = range(options.count) if options.only is None else (options.only,)
        for found in try_in_children(kind, options.seed, numbers, keep=options.keep):
            if found is not None:
                print(found, flush=True)
                failed += 1
                places[f"{found.kind}: {found.what.split(':')[0]} at {found.place}"] += 1
        print(f"{kind}: {len(numbers)} cases, {failed} failed ({time.monotonic() - began:.0f} s)", flush=True)
    for place, count in places.most_common():
        print(f"{count:5} {place}")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
