import io
import struct
import sys
import zlib

import numpy as np
import pytest

from crossgap.errors import FormatError, MissingExtraError
from crossgap.train.pixels import decoded_pixels

Image = pytest.importorskip("PIL.Image")


def picture(width, height, mode="RGB", seed=0):
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(0, 256, size=(height, width, bands), dtype=np.uint8)
    return (
        Image.fromarray(values.squeeze(-1) if bands == 1 else values, mode=None)
        if mode != "CMYK"
        else (Image.merge("CMYK", [Image.fromarray(values[..., band]) for band in range(4)]))
    )


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def header_only(width, height):
    """A PNG that says that it is large, and holds nothing."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b"no data at all"))
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("shape", [(64, 64), (100, 37), (37, 101), (33, 500), (224, 225), (20, 21), (3, 3)])
def test_it_is_what_clips_processor_gives(shape):
    transformers = pytest.importorskip("transformers")
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    image = picture(*shape)
    expected = processor(image, return_tensors="np")["pixel_values"][0]
    mean = np.array((0.48145466, 0.4578275, 0.40821073)).reshape(3, 1, 1)
    std = np.array((0.26862954, 0.26130258, 0.27577711)).reshape(3, 1, 1)
    pixels = decoded_pixels(saved(image), size=32)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, 32, 32)
    assert np.abs((pixels / 255 - mean) / std - expected).max() < 1e-5


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_kinds_of_files_without_loss(kind):
    image = picture(16, 16)
    options = {"lossless": True} if kind == "WEBP" else {}
    expected = np.asarray(image).transpose(2, 0, 1)
    assert np.array_equal(decoded_pixels(saved(image, kind, **options), size=16), expected)


@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
def test_kinds_of_files_with_loss(kind):
    image = Image.new("RGB", (16, 16), (200, 30, 90))
    assert np.abs(decoded_pixels(saved(image, kind), size=16)[:, 8, 8] - np.array([200.0, 30, 90])).max() < 8


def test_behind_a_transparent_picture_lies_the_background():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert decoded_pixels(saved(clear), size=4)[:, 0, 0].tolist() == [255, 255, 255]
    assert decoded_pixels(saved(clear), size=4, background=(1, 2, 3))[:, 0, 0].tolist() == [1, 2, 3]
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert decoded_pixels(saved(half), size=4, background=(0, 0, 0))[:, 0, 0].tolist() == [128, 0, 0]
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    data = saved(palette, transparency=0)
    assert decoded_pixels(data, size=4, background=(7, 8, 9))[:, 0, 0].tolist() == [7, 8, 9]
    assert decoded_pixels(saved(palette), size=4)[:, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("mode", ["L", "LA", "CMYK", "1"])
def test_other_colours_become_red_green_blue(mode):
    image = Image.new("1", (8, 8), 1) if mode == "1" else picture(8, 8, mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert decoded_pixels(saved(image, kind), size=8).shape == (3, 8, 8)


def test_damaged_files_are_named():
    whole = saved(picture(64, 64))
    with pytest.raises(FormatError, match=r"not a readable picture \(of no known kind\); save it anew as PNG"):
        decoded_pixels(b"nothing", size=8)
    for data in (b"", whole[:40], whole[: len(whole) // 2], whole[:60] + b"\0" * 40 + whole[100:]):
        with pytest.raises(FormatError, match="not a readable picture"):
            decoded_pixels(data, size=8)


def test_every_cut_and_every_changed_byte_is_read_or_refused():
    whole = saved(picture(9, 7), "PNG")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        data = bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
        try:
            assert decoded_pixels(data, size=4).shape == (3, 4, 4)
        except FormatError:
            refused += 1
    assert 50 < refused < 300


def test_pictures_too_large_to_resize_are_refused():
    with pytest.raises(FormatError, match="9000 x 9000 pixels, too many"):
        decoded_pixels(header_only(9000, 9000), size=8)
    with pytest.raises(FormatError, match="1 x 1000000 pixels, too many"):
        decoded_pixels(header_only(1, 1_000_000), size=224)


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("side", [10_000, 40_000])
def test_a_bomb_is_refused(side):
    with pytest.raises(FormatError):
        decoded_pixels(header_only(side, side), size=8)


def test_formats_that_call_other_programs_are_not_opened():
    with pytest.raises(FormatError, match="not a readable picture"):
        decoded_pixels(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", size=8)


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match="Pillow is not installed"):
        decoded_pixels(b"", size=8)
