from __future__ import annotations

from typing import Any

DATABASES: dict[str, dict[str, Any]] = {"default": {"ENGINE": "django.db.backends.postgresql"}}
INSTALLED_APPS = ["django.contrib.postgres", "rest_framework", "shop"]
REST_FRAMEWORK: dict[str, Any] = {
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_AUTHENTICATION_CLASSES": [],
}
ROOT_URLCONF = "shop.api"
SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
TIME_ZONE = "Pacific/Auckland"
