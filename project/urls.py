from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from project import health
from project.metrics import metrics

# Not when the apps are loaded: only web needs the admin, and it doubles the time that a process takes to start.
admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/crypto/", include("crypto.api.urls")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics),
]
