"""What is recorded about requests and processes: logs, metrics, traces, request ids."""
