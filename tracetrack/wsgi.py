"""What gunicorn serves. A web request may hold a database statement for a few seconds only."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracetrack.settings")
os.environ.setdefault("DB_STATEMENT_TIMEOUT_MS", "5000")

from django.core.wsgi import get_wsgi_application  # noqa: E402  the environment comes first

application = get_wsgi_application()
