from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from project import health
from project.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/crypto/", include("crypto.api.urls")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics),
]
