"""Rows as columns of text."""


def aligned(rows: list[list[str]]) -> str:
    """The rows as columns of equal width, left-aligned, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                     .rstrip() for row in rows)
