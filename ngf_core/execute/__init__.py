"""What a worker does for each kind of run: `execute(config, store, writer) -> results`."""
