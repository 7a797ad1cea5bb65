"""More cases than the tests try: ``python tests/fuzz/run.py --count 5000 --seed 7 --kind images --keep found``."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from fuzz.trial import KINDS, try_case


def main() -> int:
    parser = argparse.ArgumentParser(description="Damaged files, and what becomes of them.")
    parser.add_argument("--count", type=int, default=1000, help="cases of every kind (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this case alone")
    parser.add_argument("--kind", choices=tuple(KINDS), action="append", help="repeatable; default all")
    parser.add_argument("--keep", type=Path, help="put the files of cases that fail here")
    options = parser.parse_args()
    places: Counter[str] = Counter()
    for kind in options.kind or KINDS:
        began = time.monotonic()
        numbers = range(options.count) if options.only is None else (options.only,)
        found = [one for number in numbers if (one := try_case(kind, options.seed, number, keep=options.keep))]
        for failure in found:
            print(failure)
        places.update(f"{one.kind}: {one.what.split(':')[0]} at {one.place}" for one in found)
        print(f"{kind}: {len(numbers)} cases, {len(found)} failed ({time.monotonic() - began:.0f} s)", flush=True)
    for place, count in places.most_common():
        print(f"{count:5} {place}")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
