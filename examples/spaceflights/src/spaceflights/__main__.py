"""Lets ``python -m spaceflights`` do what ``kedro run`` does."""

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args, **kwargs):
    package = Path(__file__).parent.name
    configure_project(package)
    run = find_run_command(package)
    return run(*args, **kwargs)


if __name__ == "__main__":
    sys.exit(main())
