import asyncio
import hashlib
import io

import pytest
from PIL import Image

from contracts.errors import Overloaded, PayloadTooLarge
from gateway.flows.pictures import PictureReader
from tests.gateway.fakes import WordEncoder


def png(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (30, 20), colour).save(out, "PNG")
    return out.getvalue()


async def test_a_picture_comes_as_the_tower_takes_it_with_the_hash_of_its_file() -> None:
    picture = await PictureReader(WordEncoder, max_bytes=10_000).read(png())
    assert picture.pixels.shape == (8, 8, 3)
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]
    assert picture.sha256 == hashlib.sha256(png()).hexdigest()


async def test_a_file_over_the_limit_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(PayloadTooLarge, match="MiB"):
        await PictureReader(WordEncoder, max_bytes=10).read(b"not a picture, but that is not even looked at")


async def test_more_pictures_than_places_are_refused_and_the_others_read() -> None:
    reader = PictureReader(WordEncoder, max_bytes=10_000, at_once=1, max_waiting=2)
    results = await asyncio.gather(*(reader.read(png()) for _ in range(5)), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["QueryPicture"] * 3 + ["Overloaded"] * 2
    assert isinstance(results[-1], Overloaded)
    assert (await reader.read(png())).pixels.shape == (8, 8, 3)
