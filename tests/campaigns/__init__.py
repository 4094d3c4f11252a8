"""Campaigns: many bad things given to the program, each with what has to come of it."""
