"""`python -m aggregator.core.healthcheck URL`: exit 0 when the address answers 200; containers have no curl."""

import sys
import urllib.request

TIMEOUT_SECONDS = 4


def main() -> int:
    """Return the exit code for the address on the command line."""
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - our own address
            return 0 if answer.status == 200 else 1  # noqa: PLR2004 - HTTP OK
    except OSError as error:
        sys.stderr.write(f"{sys.argv[1]}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
