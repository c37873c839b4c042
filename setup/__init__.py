"""Set up what a target of the Makefile needs, and nothing that is there already.

Run by the machine's own Python, so standard library only. Everything lands in the checkout except
system packages; the package caches that the machine keeps are used, and none are begun.
"""
