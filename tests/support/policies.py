"""Values that no setting of a policy takes."""

import math

import pytest

BAD_NUMBERS = pytest.mark.parametrize(
    ("error", "value"),
    [
        (ValueError, 0),
        (ValueError, -1.0),
        (ValueError, math.nan),
        (ValueError, math.inf),
        (ValueError, -math.inf),
        (TypeError, True),
        (TypeError, None),
        (TypeError, "3"),
        (TypeError, 3j),
    ],
)
