"""What tells one network from another, as one text."""

from __future__ import annotations

import hashlib
import json

from ...base.tensor_files import tensor_digest
from ...network.network import Network
from ...train.checkpoint import network_identity


def network_digest(net: Network) -> str:
    """Return the SHA-256 of all that a network computes with: settings, structure, and every tensor of its ``state_dict``.

    Functions of a user's own models are named, not hashed.
    """
    made = {"made": network_identity(net), "tensors": {name: tensor_digest(value) for name, value in net.state_dict().items()}}
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
