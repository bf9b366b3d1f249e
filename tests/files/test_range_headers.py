"""Which headers identify one version of a file."""

import pytest

from vidgo_async._files.range_headers import validator

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"ETag": '"a"', "Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT"}, '"a"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": "a"}, None),
        ({}, None),
        ({"Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT"}, None),
        (
            {
                "Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT",
                "Date": "Sat, 01 Aug 2026 10:00:00 GMT",
            },
            None,
        ),
        (
            {
                "ETag": 'W/"a"',
                "Last-Modified": "Sat, 01 Aug 2026 10:00:00 GMT",
                "Date": "Sat, 01 Aug 2026 10:00:01 GMT",
            },
            "Sat, 01 Aug 2026 10:00:00 GMT",
        ),
        ({"Last-Modified": "yesterday", "Date": "Sat, 01 Aug 2026 10:00:01 GMT"}, None),
        (
            {
                "Last-Modified": "Sat, 01 Aug 2026 10:00:00",
                "Date": "Sat, 01 Aug 2026 10:00:01 GMT",
            },
            None,
        ),
    ],
)
def test_only_a_strong_validator_is_trusted(headers: dict[str, str], found: str | None) -> None:
    """A strong ETag identifies a version, or a date older than the response; nothing weaker."""
    assert validator(headers) == found
