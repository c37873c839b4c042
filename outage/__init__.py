"""Letters under kills and stops: `python -m outage`; see README.md."""
