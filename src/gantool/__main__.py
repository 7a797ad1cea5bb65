"""``python -m gantool`` is the same as ``gantool``."""

from gantool.cli.app import main

if __name__ == "__main__":
    main()
