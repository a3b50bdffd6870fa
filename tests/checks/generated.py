"""The modules beside the .proto files are what the .proto files make."""

import filecmp
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def differences() -> Iterator[str]:
    """One sentence a generated file that is missing or differs."""
    sources = sorted(path.relative_to(ROOT) for path in ROOT.glob("proto/*/v1/*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        _generate(sources, Path(folder))
        for source in sources:
            for suffix in _SUFFIXES:
                name = source.with_name(source.stem + suffix)
                if not _same(ROOT / name, Path(folder) / name):
                    yield f"{name} is not what {source} makes; run `make proto`"


def _generate(sources: list[Path], folder: Path) -> None:
    scripts = Path(sys.executable).parent
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    plugins = [
        f"--plugin=protoc-gen-{name}={scripts / f'protoc-gen-{name}'}"
        for name in ("mypy", "mypy_grpc")
    ]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *plugins, *outputs]
    subprocess.run([*command, *map(str, sources)], cwd=ROOT, check=True, capture_output=True)


def _same(committed: Path, made: Path) -> bool:
    return committed.exists() and filecmp.cmp(committed, made, shallow=False)
