"""Whether callbacks are relied on."""

import pytest

from vidgo_async._polling.reliance import Reliance


@pytest.mark.parametrize(
    ("ends", "come"),
    [
        ("", True),
        ("-", False),
        ("+", True),
        ("+" * 19 + "-", True),
        ("+" * 18 + "-", False),
        ("+" * 18 + "--", False),
        ("-" + "+" * 19, True),
        ("--" + "+" * 19, True),
        ("--" + "+" * 18, False),
    ],
)
def test_more_than_one_in_twenty(ends: str, come: bool) -> None:
    """Where more of the last twenty ends were missing, callbacks are not relied on."""
    reliance = Reliance()
    for end in ends:
        reliance.judge(reported=end == "+")
    assert reliance.come is come


@pytest.mark.parametrize(
    ("probes", "come"), [("xx.", True), ("xxx", False), ("x..x.x", False), ("x..x..x", True)]
)
def test_probes_that_hit(probes: str, come: bool) -> None:
    """So it is where three of the last six probes found a missing one; then they count anew."""
    reliance = Reliance()
    for probe in probes:
        reliance.probed(hit=probe == "x")
    reliance.judge(reported=True)
    assert reliance.come is come
    reliance.judge(reported=True)
    assert reliance.come
