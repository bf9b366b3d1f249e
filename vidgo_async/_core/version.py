"""The version: a plain string, since asking the installed metadata for it takes 10 ms."""

__version__ = "0.1.0"
