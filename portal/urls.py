"""All URLs: the browser door and the API door."""

from django.urls import include, path

urlpatterns = [
    path("api/", include("apps.api.urls")),
    path("", include("apps.web.urls")),
]
handler404 = "apps.api.errors.no_such_address"
