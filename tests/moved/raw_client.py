"""The old name of `tests.support.raw_client`, until the sandbox's tests import the new one."""

from tests.support.raw_client import RawClient, Reply, running, until

__all__ = ["RawClient", "Reply", "running", "until"]
