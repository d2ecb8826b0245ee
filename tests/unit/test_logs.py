import json
import logging
import logging.config
import sys
from io import StringIO

import pytest
import structlog

from project.logs import logging_config


@pytest.fixture(params=["json", "console"])
def output(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What a logger of the project's configuration writes to."""
    stream = StringIO()
    config = logging_config(request.param, "INFO")
    formatter = config["formatters"]["structlog"]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter.pop("()")(**formatter))
    logger = logging.getLogger("tests.logs")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    logger.setLevel("INFO")
    return stream


@pytest.mark.parametrize(
    "message",
    [
        "Authorization: Token 0123456789abcdef",
        "login with password=0123456789abcdef failed",
        "{'api_key': '0123456789abcdef'}",
        "postgres://user:0123456789abcdef@host/db",
        "client_token=0123456789abcdef&x=1",
    ],
)
def test_secrets_written_out_are_masked(output: StringIO, message: str) -> None:
    logging.getLogger("tests.logs").warning("%s", message)
    assert "0123456789abcdef" not in output.getvalue()
    assert "***" in output.getvalue()


def test_secret_keys_are_masked(output: StringIO) -> None:
    structlog.get_logger("tests.logs").warning("connected", access_token="0123456789abcdef", client="c-1")
    assert "0123456789abcdef" not in output.getvalue()
    assert "c-1" in output.getvalue()


def test_tracebacks_show_no_local_variables(output: StringIO) -> None:
    def fail(password: str) -> None:
        raise RuntimeError("on purpose")

    try:
        fail("0123456789" + "abcdef")
    except RuntimeError:
        logging.getLogger("tests.logs").exception("failed")
    assert "on purpose" in output.getvalue()
    assert "0123456789abcdef" not in output.getvalue()


def test_json_lines_are_json(output: StringIO, request: pytest.FixtureRequest) -> None:
    logging.getLogger("tests.logs").info("moved %d", 3)
    if output.getvalue().startswith("{"):
        assert json.loads(output.getvalue())["event"] == "moved 3"
    else:
        assert "moved 3" in output.getvalue()
    assert sys.stdout.isatty() or "\x1b" not in output.getvalue()
