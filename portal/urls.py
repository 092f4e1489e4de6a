"""All URLs: the browser door and the API door."""

from django.urls import include, path

urlpatterns = [
    path("api/", include("apps.api.urls")),
    path("", include("apps.web.urls")),
]
