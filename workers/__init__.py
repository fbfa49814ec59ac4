"""Workers: the Ray actor that holds a model on a device and measures shards.

Importing this package settles what Ray and torch read from the environment when they are imported themselves.
"""

import os
from pathlib import Path

# Anonymous usage reports would need a network and the user's leave.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# A worker without GPUs must not be told that there are none on the machine.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Threads that wait for one another by spinning make a worker many times slower where cores are shared.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if (
    "RAY_AUTH_TOKEN" in os.environ
    or "RAY_AUTH_TOKEN_PATH" in os.environ
    or (Path.home() / ".ray" / "auth_token").exists()
):
    # `ray start` asks for a token wherever there is one, but `ray.init` does not send it unless it is told to.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
