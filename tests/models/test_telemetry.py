"""ONNX Runtime tells no one what it is used for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gantool.models.find import bundled_models


def test_running_a_model_leaves_nothing_in_the_users_folders(tmp_path: Path) -> None:
    form = bundled_models()["landscape"].with_suffix(".onnx")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_", "CI", "GITHUB"))
    }
    code = "import sys; from pathlib import Path; from gantool.models.formats.onnx_file import open_onnx; "
    subprocess.run(
        [sys.executable, "-c", code + "print(open_onnx(Path(sys.argv[1]))[1].task)", str(form)],
        check=True, env={**kept, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name] == []
