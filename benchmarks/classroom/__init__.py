"""A class of students at one server."""
