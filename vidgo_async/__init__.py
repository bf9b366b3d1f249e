"""vidgo_async: an asyncio-native client for the Vidgo video-generation API.

Its names are in `_session/public.py`. They are loaded with the first one that is used, all at once: the
program's help needs none of them, and aiohttp takes longer to load than all of that.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidgo_async._session.public import *  # noqa: F403 - they are listed there
    from vidgo_async._session.public import __all__ as __all__
else:

    def __getattr__(name):
        """Load all public names, and return one."""
        if name.startswith("__") and name not in {"__all__", "__version__"}:
            raise AttributeError(name)  # what Python and its tools ask every module for
        from vidgo_async._session import public  # noqa: PLC0415

        names = {each: getattr(public, each) for each in public.__all__}
        globals().update(names, __all__=public.__all__)
        if name in globals():
            return globals()[name]
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)

    def __dir__():
        """Name what there is."""
        return sorted({*globals(), *__getattr__("__all__")})

    del TYPE_CHECKING  # which is no name of this package
