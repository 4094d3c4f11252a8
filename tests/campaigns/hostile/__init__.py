"""Hostile input: what strangers may send, and that nothing of it is run, ends a server, or passes
without a sentence that names what is wrong.

`python -m tests.campaigns.hostile` gives every case and writes the report; a part of them is
given in the ordinary tests.
"""
