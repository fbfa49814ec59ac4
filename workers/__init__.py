"""Workers: the Ray actor that holds a model on a device and measures shards.

Importing this package sets the environment variables that Ray and torch read when they are imported.
"""

import os
from pathlib import Path

# Ray would send anonymous usage reports, which need a network and the consent of the user.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Ray would hide the GPUs of the machine from a worker that requests none.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Threads that spin while they wait for one another slow a worker down many times where cores are shared.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if (
    "RAY_AUTH_TOKEN" in os.environ
    or "RAY_AUTH_TOKEN_PATH" in os.environ
    or (Path.home() / ".ray" / "auth_token").exists()
):
    # `ray start` requires a token wherever one exists, but `ray.init` sends it only in this mode.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
