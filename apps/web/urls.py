"""URLs of the browser door. Each area keeps its own list beside its views."""

from django.urls import path
from django.views.generic import RedirectView

from apps.web.styleguide import styleguide
from apps.web.views import (
    account,
    audit,
    bias,
    datasets,
    deviations,
    dossier,
    intended_use,
    models,
    packs,
    people,
    plans,
    records,
    release,
    resets,
    rules,
    runs,
    search,
    second,
    security,
    sessions,
    signatures,
    signing,
    sso,
    staffing,
    versions,
    waivers,
    work,
)

app_name = "web"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="web:work"), name="home"),
    path("sign-in/", sessions.sign_in, name="sign_in"),
    path("sign-out/", sessions.sign_out, name="sign_out"),
    path("enrol/<str:uid>/<str:token>/", sessions.enrol, name="enrol"),
    path("styleguide/", styleguide, name="styleguide"),
    path("demo/switch/", sessions.switch_person, name="switch_person"),
    *second.urlpatterns,
    *sso.urlpatterns,
    *work.urlpatterns,
    *security.urlpatterns,
    *resets.urlpatterns,
    *signing.urlpatterns,
    *signatures.urlpatterns,
    *people.urlpatterns,
    *account.urlpatterns,
    *waivers.urlpatterns,
    *rules.urlpatterns,
    *staffing.urlpatterns,
    *audit.urlpatterns,
    *records.urlpatterns,
    *search.urlpatterns,
    *models.urlpatterns,
    *intended_use.urlpatterns,
    *packs.urlpatterns,
    *plans.urlpatterns,
    *runs.urlpatterns,
    *bias.urlpatterns,
    *deviations.urlpatterns,
    *versions.urlpatterns,
    *datasets.urlpatterns,
    *release.urlpatterns,  # last: /models/<slug>/<label>/ takes what no other page of a model took
    *dossier.urlpatterns,  # after everything below /models/<slug>/<label>/
]
