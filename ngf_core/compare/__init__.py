"""Finished runs beside one another: what differs, what may be subtracted, and the differences."""
