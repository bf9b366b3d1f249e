"""The installed version; read once, when the package is imported."""

from importlib.metadata import version

VERSION = version("vidgo_async")
