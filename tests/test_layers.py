"""The stairs run downward only: cli, ingest, index, core; and what is slow to import is imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("index", "ingest", "cli")  # above the core, from the lowest to the highest
MODULES = sorted(file for top in ("bindsearch", *LAYERS) for file in (ROOT / top).rglob("*.py"))

# The public name `bindsearch.Library` is looked up on first use, so that users need not know the folders.
STATED_EXCEPTIONS = {("bindsearch", "bindsearch.ingest.library")}

# Where torch's modules are defined; imported by functions only.
NETWORKS = tuple(
    f"bindsearch.encoders.imagebind.{name}"
    for name in ("int8", "precision", "stems", "towers", "transformer")
)

# Slow to import (30 ms to 2 s each): only the modules below these names may have them at their top.
HEAVY = {
    "OpenEXR": (),
    "PIL": ("bindsearch.training",),
    "ai_edge_litert": (),
    "alembic": ("bindsearch.index.migrations",),
    "av": (),
    "defusedxml": (),
    "efficientnet_lite_pytorch": ("bindsearch.training",),
    "faiss": (),
    "fastapi": ("bindsearch.ingest.serving",),
    "flyr": (),
    "ftfy": (),
    "h11": ("bindsearch.ingest.serving",),
    "lark": (),
    "librosa": (),
    "llvmlite": ("bindsearch.encoders.imagebind.kernel",),
    "onnx": ("bindsearch.training",),
    "onnxruntime": (),
    "pillow_heif": (),
    "prometheus_client": (),
    "psutil": (),
    "pyarrow": (),
    "pydantic": ("bindsearch.ingest.serving",),
    "rich": ("bindsearch.cli.progress",),
    "safetensors": ("bindsearch.training",),
    "scipy": (),
    "skimage": (),
    "soundfile": (),
    "soxr": (),
    "starlette": ("bindsearch.ingest.serving",),
    "sqlalchemy": ("bindsearch.index", "bindsearch.ingest"),
    "textual_image": (),
    "tifffile": (),
    "tokenizers": (),
    "torch": ("bindsearch.training", *NETWORKS),
    "uvicorn": ("bindsearch.ingest.serving",),
    "watchdog": ("bindsearch.ingest.watching",),
}

# What the command line loads before it knows what to do: not even numpy.
LIGHT = ("bindsearch.cli",)
LIGHT_MODULES = {
    *("bindsearch", "bindsearch.__main__", "bindsearch.answers", "bindsearch.errors", "bindsearch.here"),
    *("bindsearch.folders", "bindsearch.options"),
    *("bindsearch.modality", "bindsearch.remote", "bindsearch.remote.address", "bindsearch.remote.client"),
    *("bindsearch.remote.http", "bindsearch.remote.status", "bindsearch.remote.wire", "bindsearch.wishes"),
    *("bindsearch.query", "bindsearch.query.files", "bindsearch.query.grammar", "bindsearch.query.meaning"),
    *("bindsearch.query.scanner", "bindsearch.query.tree", "bindsearch.settings", "bindsearch.when"),
}


def name_of(file: Path) -> str:
    """The name under which a file of the checkout is imported."""
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    parts = parts if parts[0] == "bindsearch" else ["bindsearch", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    """0 for the core, more for what stands above it."""
    parts = module.split(".")
    return LAYERS.index(parts[1]) + 1 if len(parts) > 1 and parts[1] in LAYERS else 0


def is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def targets(node: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """The absolute names that an import statement may load."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = module.split(".")[: None if is_package else -1]
        start = ".".join(base[: len(base) - node.level + 1]) + "." if node.level else ""
        origin = (start + (node.module or "")).strip(".")
        yield origin
        yield from (f"{origin}.{alias.name}" for alias in node.names)


def at_the_top(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs on import; a block for type checkers only does not, nor does the body of a function."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_run_downward(file: Path) -> None:
    module = name_of(file)
    tree = ast.parse(file.read_bytes())
    upward = {
        target
        for node in ast.walk(tree)
        for target in targets(node, module, file.stem == "__init__")
        if layer_of(target) > layer_of(module)
    }
    excused = {target for source, target in STATED_EXCEPTIONS if source == module}
    assert {target for target in upward if not any(is_below(target, name) for name in excused)} == set()


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_no_folder_is_imported_by_its_bare_name(file: Path) -> None:
    imported = {
        target.partition(".")[0]
        for node in ast.walk(ast.parse(file.read_bytes()))
        for target in targets(node, name_of(file), file.stem == "__init__")
    }
    assert imported.isdisjoint(LAYERS)


def slow_imports(file: Path) -> set[str]:
    """The slow packages that a module imports at its top without being allowed to."""
    module = name_of(file)
    light = module in LIGHT_MODULES or any(is_below(module, package) for package in LIGHT)
    allowed = {**HEAVY, "numpy": () if light else ("bindsearch",)}
    tops = {
        target.partition(".")[0]
        for node in at_the_top(ast.parse(file.read_bytes()))
        for target in targets(node, module, file.stem == "__init__")
    }
    return {
        top for top in tops & set(allowed) if not any(is_below(module, package) for package in allowed[top])
    }


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_slow_packages_are_imported_where_they_are_used(file: Path) -> None:
    assert slow_imports(file) == set()


@pytest.mark.parametrize(
    ("source", "slow"),
    [
        ("import torch", {"torch"}),
        ("try:\n    from PIL import Image\nexcept ImportError:\n    pass", {"PIL"}),
        ("class A:\n    import numpy.linalg", {"numpy"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", set()),
        ("def f():\n    import torch", set()),
        ("class A:\n    def f(self):\n        import torch", set()),
    ],
)
def test_the_rule_itself_sees_what_runs_on_import(
    source: str, slow: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    file = tmp_path / "cli" / "module.py"
    file.parent.mkdir()
    file.write_text(source)
    assert slow_imports(file) == slow


def test_help_loads_nothing_slow() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bindsearch", "--help"],
        cwd=ROOT,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "bindsearch" in loaded
    assert loaded & {*HEAVY, "numpy"} == set()
