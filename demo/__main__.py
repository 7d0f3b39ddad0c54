"""`python -m demo`."""

import sys


def start() -> int:
    """Load the app and serve it until it is interrupted; the exit status."""
    try:
        from .app import main

        main()
    except KeyboardInterrupt:  # also while PyTorch is being loaded, which takes seconds
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(start())
