"""My work: what waits for me, what I cannot do and who can, what waits on others."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.web.door import page


@page
def work(request: HttpRequest) -> HttpResponse:
    return render(request, "web/work.html", {})
