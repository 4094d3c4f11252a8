"""Seconds, memory and disk of every stage, in images, pixels, weights, multiply-adds and ranks."""
