"""The orchestrator: grid, identity, plan, schedule, store, query and the command line."""
