"""Ways out: other people's services, each asked by a few calls over HTTP."""
