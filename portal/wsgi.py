"""WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.demo")
application = get_wsgi_application()

from portal.starting import enter_configuration  # noqa: E402  (needs the apps)

enter_configuration()
