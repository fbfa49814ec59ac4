"""Every kind of image file becomes the same RGB that torchvision's loader gives, or an error that names it."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import warnings
import zlib
from threading import Event, Thread

import numpy as np
import pytest
from PIL import Image, ImageFile
from torchvision.datasets.folder import pil_loader

from scc_core.datasets.files import decoding
from scc_core.datasets.files.decoding import (
    LARGEST_ASPECT_RATIO,
    UnreadableImageError,
    decode_bytes,
    is_image_name,
)

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)
SMOOTH = np.asarray(Image.fromarray(COLOURS).resize((160, 120), Image.Resampling.BICUBIC))


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png_of_16_bits(samples: np.ndarray, colour_type: int) -> bytes:
    """A PNG of 16 bits per sample, written by hand: Pillow cannot write colour ones."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def palette_image(*, transparency: bool) -> bytes:
    image = Image.fromarray(COLOURS).quantize(8)
    return encode(image, "PNG", **({"transparency": bytes([0, 128, 255])} if transparency else {}))


FILES = {
    "rgb.png": encode(Image.fromarray(COLOURS), "PNG"),
    "rgb.jpg": encode(Image.fromarray(SMOOTH), "JPEG"),
    "progressive.jpg": encode(Image.fromarray(SMOOTH), "JPEG", progressive=True),
    "grey.jpg": encode(Image.fromarray(SMOOTH).convert("L"), "JPEG"),
    "cmyk.jpg": encode(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG"),
    "cmyk.tif": encode(Image.fromarray(COLOURS).convert("CMYK"), "TIFF"),
    "palette.png": palette_image(transparency=False),
    "transparent-palette.png": palette_image(transparency=True),
    "palette.gif": encode(Image.fromarray(COLOURS), "GIF"),
    "alpha.png": encode(Image.fromarray(np.dstack([COLOURS, COLOURS[:, :, 0]])), "PNG"),
    "grey-alpha.png": encode(Image.fromarray(COLOURS[:, :, :2], "LA"), "PNG"),
    "bilevel.png": encode(Image.fromarray(COLOURS).convert("1"), "PNG"),
    "alpha.webp": encode(Image.fromarray(np.dstack([COLOURS, COLOURS[:, :, 0]])), "WEBP", lossless=True),
    "one.png": encode(Image.fromarray(COLOURS[:1, :1]), "PNG"),
    "16-bit-colour.png": png_of_16_bits(RNG.integers(0, 2**16, (5, 4, 3)), colour_type=2),
}


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_torchvision_s_loader(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    image = decode_bytes(path.read_bytes(), path.name)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.asarray(pil_loader(path)))


def test_a_16_bit_grey_is_scaled_where_a_plain_conversion_clips():
    samples = np.array([[0, 255, 256, 4096, 32768, 65535]])
    image = decode_bytes(png_of_16_bits(samples, colour_type=0), "scan.png")
    assert image.shape == (1, 6, 3)
    assert image[0, :, 0].tolist() == [0, 0, 1, 16, 128, 255]
    assert (image == image[:, :, :1]).all()


def test_grey_and_colour_of_16_bits_agree():
    samples = RNG.integers(0, 2**16, (6, 7))
    grey = decode_bytes(png_of_16_bits(samples, colour_type=0), "grey.png")
    colour = decode_bytes(png_of_16_bits(np.dstack([samples] * 3), colour_type=2), "colour.png")
    np.testing.assert_array_equal(grey, colour)


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_16_bit_tiffs_of_either_byte_order_agree(byte_order):
    samples = RNG.integers(0, 2**16, (6, 7)).astype(byte_order)
    image = Image.frombytes("I;16" if byte_order == "<u2" else "I;16B", (7, 6), samples.tobytes())
    decoded = decode_bytes(encode(image, "TIFF"), "scan.tif")
    np.testing.assert_array_equal(decoded[:, :, 0], samples >> 8)


def test_transparency_is_dropped_and_the_colour_beneath_is_shown():
    pixels = np.zeros((2, 2, 4), dtype=np.uint8)
    pixels[..., 0] = 200
    np.testing.assert_array_equal(decode_bytes(encode(Image.fromarray(pixels), "PNG"), "clear.png"), pixels[..., :3])


def test_the_orientation_in_exif_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to show
    content = encode(Image.fromarray(COLOURS), "PNG", exif=exif)
    assert Image.open(io.BytesIO(content)).getexif()[0x0112] == 6
    np.testing.assert_array_equal(decode_bytes(content, "turned.png"), COLOURS)


def test_the_first_of_several_frames_is_taken():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_bytes(content, "two.gif")[0, 0].tolist() == [255, 0, 0]


def damaged_png() -> bytes:
    content = bytearray(FILES["rgb.png"])
    content[60] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"this is text", "not an image, or of a format that Pillow does not know"),
        (FILES["rgb.jpg"][: len(FILES["rgb.jpg"]) // 2], "truncated"),
        (FILES["progressive.jpg"][: len(FILES["progressive.jpg"]) // 2], "truncated"),
        (FILES["rgb.png"][: len(FILES["rgb.png"]) // 2], "truncated"),
        (damaged_png(), ""),
        (encode(Image.new("F", (4, 4)), "TIFF"), "type F (32-bit), which has no defined range"),
        (encode(Image.new("I", (4, 4)), "TIFF"), "type I (32-bit), which has no defined range"),
        (encode(Image.new("L", (LARGEST_ASPECT_RATIO * 3 + 1, 3)), "PNG"), "301 x 3 pixels: the longer side is over"),
        (png_of_16_bits(np.zeros((1, 1)), 0).replace(struct.pack(">II", 1, 1), struct.pack(">II", 20000, 20000)), ""),
    ],
)
def test_what_cannot_be_used_is_named_with_the_reason(content, reason):
    with pytest.raises(UnreadableImageError) as caught:
        decode_bytes(content, "ward 3/scan.jpg")
    assert str(caught.value).startswith("cannot read the image ward 3/scan.jpg: ")
    assert reason in caught.value.reason
    assert "\n" not in str(caught.value)


def test_a_truncated_image_is_refused_even_where_pillow_was_told_to_accept_it(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnreadableImageError, match="truncated"):
        decode_bytes(FILES["rgb.jpg"][: len(FILES["rgb.jpg"]) // 2], "scan.jpg")


def test_the_error_survives_pickling():
    error = pickle.loads(pickle.dumps(UnreadableImageError("scan.png", "truncated")))
    assert str(error) == "cannot read the image scan.png: truncated"
    assert error.reason == "truncated"


def test_images_are_known_by_the_ending_of_their_name():
    assert is_image_name("a/b.JPEG")
    assert is_image_name("scan.tiff")
    assert not is_image_name("notes.txt")
    assert not is_image_name("jpg")


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_threads_that_decode_leave_warnings_as_they_are(monkeypatch):
    content, inside, filters = palette_image(transparency=True), Event(), list(warnings.filters)

    def check(image: Image.Image, name: str) -> None:
        """The second comes while the first decodes, and goes after it."""
        if name == "first":
            second.start()
            assert inside.wait(60)
        else:
            inside.set()
            first.join(60)

    monkeypatch.setattr(decoding, "_check", check)
    first, second = (Thread(target=decode_bytes, args=(content, name)) for name in ("first", "second"))
    first.start()
    first.join(60)
    second.join(60)
    assert not first.is_alive()
    assert not second.is_alive()
    assert warnings.filters == filters


def test_nothing_is_said_of_palettes(tmp_path):
    path = tmp_path / "palette.png"
    path.write_bytes(palette_image(transparency=True))
    code = f"from scc_core.datasets.files.decoding import decode_bytes; decode_bytes({path.read_bytes()!r}, '')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
