#!/usr/bin/env python3
"""`python3 manage.py demo` starts everything; `python3 manage.py test` runs the tests; the rest is Django's."""

import os
import runpy
import sys
from pathlib import Path

# By path: importing the package would import Celery, which may not be installed yet.
runpy.run_path(str(Path(__file__).resolve().parent / "portal" / "bootstrap.py"))["prepare"](sys.argv)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.demo")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
