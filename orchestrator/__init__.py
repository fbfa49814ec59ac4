"""The orchestrator: grid, identity, plan, schedule, store, query and the command line."""

import workers  # noqa: F401 - settles Ray's environment before any module here imports Ray
