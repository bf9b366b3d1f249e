"""The installed version; read once, when the package is imported."""

from importlib.metadata import version

__version__ = version("vidgo_async")
