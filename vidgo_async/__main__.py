"""`python -m vidgo_async` and the `vidgo-async` console script."""

import sys

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


def main() -> None:
    """Run the program, or say what it needs."""
    try:
        from vidgo_async.cli import program  # noqa: PLC0415 - the extra may not be installed

        program.main()
    except ModuleNotFoundError as error:
        if error.name != "cyclopts":
            raise
        sys.exit("the program needs an extra: pip install 'vidgo_async[cli]'")
    except KeyboardInterrupt:  # before it catches signals itself
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
