"""The old name of `tests.clock`, until its last import is changed."""

from tests.clock import GRACE, TURN, new_loop

__all__ = ["GRACE", "TURN", "new_loop"]
