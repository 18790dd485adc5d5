"""The conformance suite that every connector passes, and cases to try it on."""
