"""Data as users have it: class folders, tables, archives - and a folder with everything that goes wrong in it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.miniatures.images import Expected, Shown, pixels, write_image


def write_class_folders(root: Path, images: Mapping[str, Sequence[str]]) -> Expected:
    """Write ``root/CLASS/IMAGE`` for the images of every class; return them in the order they must come in."""
    shown = []
    for label, folder in enumerate(sorted(images)):
        for name in sorted(images[folder]):
            write_image(root / folder / name, len(shown))
            shown.append(Shown(len(shown), label))
    return shown


def write_bad_folder(root: Path) -> None:
    """Write two classes of good images among which lies everything that folders of real images hold."""
    write_class_folders(root, {"cat": ["1.png", "2.jpg"], "dog": ["1.png", "2.jpg"]})
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG")
    (root / "cat" / "truncated.jpg").write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    Image.fromarray(np.full((8, 9), 40000, dtype=np.uint16)).save(root / "cat" / "sixteen.png")
    Image.new("CMYK", (12, 10), (0, 255, 255, 0)).save(root / "dog" / "cmyk.jpg")
    Image.fromarray(pixels(7)).quantize(4).save(root / "dog" / "palette.png")
    Image.new("RGB", (1, 1), (10, 20, 30)).save(root / "dog" / "one.png")
    (root / "bird").mkdir()
    (root / "cat" / "notes.txt").write_text("the second cat is the neighbour's")
    (root / "README.txt").write_text("my animals")
    (root / "cat" / ".DS_Store").write_bytes(b"\0")


def write_archive(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write an uncompressed tar archive of plain files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def image_bytes(serial: int, form: str) -> bytes:
    """Return image ``serial`` as a file: ``png``, ``jpeg`` or ``webp``."""
    stream = io.BytesIO()
    Image.fromarray(pixels(serial)).save(stream, form)
    return stream.getvalue()


def write_webdataset(root: Path) -> Expected:
    """Write 3 archives of 2, 2 and 1 images of 3 classes as ``clip_benchmark_export_wds`` does; webp, jpg and png."""
    shown = [Shown(serial, (serial * 2) % 3) for serial in range(5)]
    for number, part in enumerate((shown[:2], shown[2:4], shown[4:])):
        form, ending = (("webp", "webp"), ("jpeg", "jpg"), ("png", "png"))[number]
        members = []
        for serial, label in part:
            members.append((f"s{serial:07d}.cls", str(label).encode()))
            members.append((f"s{serial:07d}.{ending}", image_bytes(serial, form)))
        write_archive(root / "test" / f"{number}.tar", members)
    (root / "test" / "nshards.txt").write_text("3\n")
    (root / "classnames.txt").write_text("tabby cat\ncollie\nbarn owl\n")
    (root / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\na drawing of a {c}.\n")
    return shown
