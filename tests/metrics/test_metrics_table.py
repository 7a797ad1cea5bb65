from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gantool.metrics.table import METRICS, gated_metrics, worst_first

ROOT = Path(__file__).parent.parent.parent


def test_the_table_is_torch_free() -> None:
    code = "import sys, gantool.metrics.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_documentation_names_every_metric() -> None:
    pages = [(ROOT / "docs" / page).read_text("utf-8") for page in ("cli.md", "evaluation.md")]
    for name in METRICS:
        assert all(f"`{name}`" in page for page in pages), name


def test_worst_first_and_gates() -> None:
    images = [("a", {"l1": 1.0, "psnr": 30.0}), ("b", {"l1": 3.0, "psnr": 20.0}), ("c", {"l1": 1.0, "psnr": 25.0})]
    assert [name for name, _ in worst_first(images, "l1")] == ["b", "a", "c"]
    assert [name for name, _ in worst_first(images, "psnr")] == ["b", "c", "a"]
    assert "iou" not in gated_metrics(), "every class has one of its own"
    assert "boundary_iou" in gated_metrics()


def test_what_numbers_mean() -> None:
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == {
        "fid", "kid", "swd", "l1", "lpips", "cycle_l1"
    }  # fmt: skip
    assert {name for name, metric in METRICS.items() if metric.by_class} == {"iou", "precision", "recall", "f1"}
    assert {name: metric.smallest for name, metric in METRICS.items() if metric.smallest > 1} == {
        "ssim": 11, "ms_ssim": 176, "lpips": 32
    }  # fmt: skip
