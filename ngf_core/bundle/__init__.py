"""Runs as one zip for a reviewer: what was measured, a report, and what computes it again."""
