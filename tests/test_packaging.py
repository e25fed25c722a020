"""What is installed is what is here: the declared packages, and the wheel built from them."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("bindsearch", "index", "ingest", "cli")
BUILT_FROM = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def declared() -> list[str]:
    """The packages that setup.cfg names."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config["options"]["packages"].split()


def folder_of(package: str) -> Path:
    """Where the code of a package lies in the checkout."""
    parts = package.split(".")
    return ROOT.joinpath(*(parts[1:] if len(parts) > 1 and parts[1] in FOLDERS else parts))


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy, so that nothing left over in the checkout gets into it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", target)
    run(sys.executable, "-m", "pip", "wheel", *options, source, cwd=target)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_folder_of_code_is_declared() -> None:
    found = set()
    for top in FOLDERS:
        for file in (ROOT / top).rglob("*.py"):
            package = ".".join(file.parent.relative_to(ROOT).parts)
            found.add(package if top == "bindsearch" else f"bindsearch.{package}")
    assert set(declared()) == found
    assert len(declared()) == len(set(declared()))


def test_every_declared_package_has_an_init_file() -> None:
    assert [name for name in declared() if not (folder_of(name) / "__init__.py").is_file()] == []


def test_the_wheel_puts_nothing_else_into_site_packages(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bindsearch"}


def test_the_wheel_holds_every_file_of_the_packages(names: set[str]) -> None:
    here = set()
    for top in FOLDERS:
        for file in (ROOT / top).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                path = file.relative_to(ROOT).as_posix()
                here.add(path if top == "bindsearch" else f"bindsearch/{path}")
    assert {name for name in names if ".dist-info/" not in name} == here


def test_the_wheel_can_encode_migrate_and_be_type_checked(names: set[str]) -> None:
    assert "bindsearch/py.typed" in names
    assert any(name.startswith("bindsearch/encoders/compact/weights/") for name in names)
    assert any(name.startswith("bindsearch/index/migrations/versions/m0001_") for name in names)


def test_the_wheel_carries_its_licences(names: set[str]) -> None:
    licences = {name.partition(".dist-info/")[2] for name in names}
    assert {"licenses/LICENSE", "licenses/bindsearch/encoders/compact/weights/NOTICE"} <= licences


def test_the_installed_wheel_imports_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    options = ("--no-deps", "--no-index", "--quiet", "--target", target)
    run(sys.executable, "-m", "pip", "install", *options, wheel, cwd=elsewhere)
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    print(importlib.import_module(name).__file__)\n"
    )
    output = run(sys.executable, "-c", script, *declared(), cwd=elsewhere, PYTHONPATH=str(target))
    folders = [Path(line).parent for line in output.splitlines()]
    assert folders == [target.joinpath(*name.split(".")) for name in declared()]
