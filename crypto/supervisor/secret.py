import contextlib
import os
import secrets
from pathlib import Path


def kept_secret(path: Path, length: int = 50) -> str:
    """The secret in this file: `length` random bytes made on first use, readable by the owner only.

    Safe against several processes asking at once.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(length))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()
