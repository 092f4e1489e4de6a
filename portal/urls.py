"""All URLs: the browser door and the API door."""

urlpatterns: list = []
