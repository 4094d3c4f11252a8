"""Campaigns: bad things done to the program in numbers, by commands of their own, with reports."""
