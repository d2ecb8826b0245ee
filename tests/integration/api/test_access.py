"""Who gets in, and who may send what."""

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from crypto.commands import registry
from crypto.models import Client, CommandLog
from crypto.services.permissions import permission

READ = ("commands/", "command-logs/", "wallets/", "transactions/", "client-errors/", "client-logs/")


def client_of(user: User) -> APIClient:
    token = Token.objects.create(user=user)
    return APIClient(headers={"Authorization": f"Token {token.key}"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", [*READ, "commands/00000000-0000-0000-0000-000000000001/"])
@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Token wrong"}, {"Authorization": "Basic cm9vdDpyb290"}]
)
def test_nobody_reads_without_credentials(address: str, header: dict[str, str]) -> None:
    answer = APIClient().get(f"/api/crypto/{address}", headers=header)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"
    assert answer.json()["error"]["code"] in ("not_authenticated", "authentication_failed")


def test_the_schema_needs_credentials(superuser: User) -> None:
    assert APIClient().get("/api/crypto/schema/").status_code == 401
    assert client_of(superuser).get("/api/crypto/schema/").status_code == 200


@pytest.mark.parametrize("command", registry)
def test_nobody_sends_without_credentials(absent: Client, command: str) -> None:
    assert APIClient().post(f"/api/crypto/commands/{absent.pk}/{command}/").status_code == 401
    assert not CommandLog.objects.exists()


def test_everyone_known_reads_and_sends_only_what_is_granted(absent: Client) -> None:
    user = User.objects.create_user("clerk", password="clerk", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="send_pause"))
    api = client_of(user)
    for address in READ:
        assert api.get(f"/api/crypto/{address}").status_code == 200
    statuses = {name: api.post(f"/api/crypto/commands/{absent.pk}/{name}/").status_code for name in registry}
    assert statuses == {name: 503 if name == "pause" else 403 for name in registry}
    assert list(CommandLog.objects.values_list("command", "principal")) == [("pause", "clerk")]


def test_there_is_a_permission_for_every_command(transactional_db: None) -> None:
    names = Permission.objects.values_list("content_type__app_label", "codename")
    assert {permission(cls) for cls in registry.values()} <= {".".join(name) for name in names}


def test_inactive_users_do_not_get_in(absent: Client) -> None:
    api = client_of(User.objects.create_superuser("gone", password="gone", is_active=False))
    assert api.post(f"/api/crypto/commands/{absent.pk}/ping/").status_code == 401


def test_a_browser_session_needs_the_csrf_token(superuser: User, absent: Client) -> None:
    api = APIClient(enforce_csrf_checks=True)
    api.force_login(superuser)
    assert api.get("/api/crypto/commands/").status_code == 200
    refused = api.post(f"/api/crypto/commands/{absent.pk}/ping/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")


def test_the_docs_ask_for_a_login_and_load_nothing_from_elsewhere(superuser: User) -> None:
    api = APIClient()
    assert api.get("/api/crypto/docs/").status_code == 302
    api.force_login(superuser)
    page = api.get("/api/crypto/docs/").content.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page
    assert "https://" not in page
