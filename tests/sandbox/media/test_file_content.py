"""Prove what made-up files consist of."""

from vidgo_async.sandbox.media.file_content import Content, FileRange


def test_blocks_do_not_repeat_where_one_looks() -> None:
    """No part of a made-up file is that of another place that is a power of two away."""
    content = Content.noise(2**26, "video/mp4", seed=0)
    blocks = {next(content.chunks(2**power, 2**26, 64)) for power in range(26)}
    assert len(blocks) == 26


def test_part_can_be_read_as_text() -> None:
    """A body can be read as text, as aiohttp asks it of each."""
    assert FileRange(Content.of("füchse".encode(), "text/plain"), 1, 7).decode() == "üchse"
