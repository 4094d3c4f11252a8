"""The lesson: its scenes, the numbers that they quote, its exercises, and a class that follows.
"""
