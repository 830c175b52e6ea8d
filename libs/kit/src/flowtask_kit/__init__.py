"""The machinery every FlowTask service stands on; it knows nothing of tasks, money or mail."""
