"""URLs of the API door."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from apps.api import ci
from apps.api.docs import Schema, docs
from apps.api.v1 import (
    asks,
    boards,
    corrections,
    datasets,
    erasures,
    evidence,
    explanations,
    findings,
    gate,
    health,
    inspections,
    me,
    meetings,
    models,
    packs,
    people,
    probes,
    reviews,
    rules,
    sample_size,
    security,
    sensitive,
    separation,
    services,
    signing,
    staffing,
    trail,
    trail_reviews,
    training,
    verification,
    versions,
    work,
)

router = SimpleRouter(trailing_slash=False)
for module in (
    gate,
    boards,
    corrections,
    asks,
    meetings,
    me,
    people,
    trail,
    erasures,
    trail_reviews,
    packs,
    models,
    versions,
    datasets,
    evidence,
    explanations,
    findings,
    probes,
    verification,
    inspections,
    sensitive,
    separation,
    rules,
    services,
    training,
    reviews,
    security,
):
    module.register(router)

app_name = "api"
urlpatterns = [
    path(
        "v1/",
        include(
            [
                *gate.urlpatterns,
                *ci.urlpatterns,
                *me.urlpatterns,
                *signing.urlpatterns,
                *trail.urlpatterns,
                *trail_reviews.urlpatterns,
                *evidence.urlpatterns,
                *explanations.urlpatterns,
                *findings.urlpatterns,
                *probes.urlpatterns,
                *health.urlpatterns,
                *sample_size.urlpatterns,
                *verification.urlpatterns,
                *sensitive.urlpatterns,
                *staffing.urlpatterns,
                *work.urlpatterns,
                *router.urls,
            ]
        ),
    ),
    path("v1/schema/", Schema.as_view(), name="schema"),
    path("v1/docs/", docs, name="docs"),
]
