"""One materialization in a Dagster step: from the selection to the events."""
