"""Annotators leave the workspace under a name that tells nothing about them."""

import hashlib
import hmac

from editfhf.files import write_secret
from editfhf.schema import ID_LENGTH
from editfhf.workspace import Workspace

# No mail ever goes to `.invalid` (RFC 2606): no person has such an address, so it marks who is simulated.
SIMULATED_DOMAIN = "editfhf.invalid"


class Pseudonyms:
    """Keyed hashes of e-mail addresses (HMAC-SHA-256); the key stays in the workspace, readable by its owner alone."""

    def __init__(self, key: str) -> None:
        self.key = key

    @classmethod
    def of(cls, workspace: Workspace) -> "Pseudonyms":
        """Those of one workspace; the key is made at first use."""
        path = workspace.annotation_dir / "pseudonym.key"
        return cls(path.read_text(encoding="utf-8") if path.is_file() else write_secret(path))

    def of_email(self, email: str) -> str:
        """16 hex digits, the same however the address is capitalised; not to be turned back without the key."""
        return hmac.new(self.key.encode(), email.strip().lower().encode(), hashlib.sha256).hexdigest()[:ID_LENGTH]


def annotator_kind(email: str) -> str:
    """`simulated` for the users that `annotate simulate` made, `human` for everybody else."""
    return "simulated" if email.strip().lower().endswith(f"@{SIMULATED_DOMAIN}") else "human"
