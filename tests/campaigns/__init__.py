"""Campaigns: faults made for real and in numbers, by a command of their own, with a report."""
