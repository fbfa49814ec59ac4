"""Workers: the Ray actor that holds a model on a device and measures shards."""
