# Two sync workers, a long timeout and no max_requests: workers that run for ever, as in the audit this example is from.
workers = 2
worker_class = "sync"
timeout = 120
bind = "127.0.0.1:8000"
