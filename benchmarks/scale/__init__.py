"""Plan, schedule and write of runs whose evaluation does nothing: what the machinery costs up to a million."""

# Settles what Ray reads from the environment when it is imported, which the modules beside this one do.
import workers as workers
