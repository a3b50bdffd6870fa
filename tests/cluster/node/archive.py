"""An image of one file, written by hand: the pause image, for which no engine is needed."""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path
from typing import Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PREFIX = "application/vnd.oci.image"


def write(archive: Path, *, image: str, program: Path) -> None:
    """Make an OCI archive of an image that runs `program`."""
    layer = _tar({program.name: program.read_bytes()}, mode=0o755)
    description = _json(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_PREFIX}.manifest.v1+json",
            "config": _reference(f"{_PREFIX}.config.v1+json", description),
            "layers": [_reference(f"{_PREFIX}.layer.v1.tar", layer)],
        }
    )
    named = _reference(f"{_PREFIX}.manifest.v1+json", manifest)
    named["annotations"] = {"io.containerd.image.name": image}
    blobs = {f"blobs/sha256/{_digest(b)[7:]}": b for b in (layer, description, manifest)}
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [named]}),
    }
    archive.write_bytes(_tar(files | blobs, mode=0o644))


def _reference(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
