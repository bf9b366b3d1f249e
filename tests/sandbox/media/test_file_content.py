"""Prove what generated files consist of."""

from vidgo_async.sandbox.media.file_content import Content, FileRange


def test_noise_does_not_repeat_at_powers_of_two() -> None:
    """Two places in noise that are a power of two apart hold different bytes."""
    content = Content.noise(2**26, "video/mp4", seed=0)
    blocks = {next(content.pieces(2**power, 2**26, 64)) for power in range(26)}
    assert len(blocks) == 26


def test_range_as_text() -> None:
    """A range can be decoded as text, as aiohttp requires of a body."""
    assert FileRange(Content.of("füchse".encode(), "text/plain"), 1, 7).decode() == "üchse"
