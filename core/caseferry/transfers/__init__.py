"""Moving many cases: plan, send, wait, verify, journal."""
