"""Draws icon.png: a loss valley, its sharp minimum on the left and the flat one on the right."""

from pathlib import Path

from PIL import Image, ImageDraw

SIZE, SCALE = 64, 4


def draw_icon() -> Image.Image:
    """The icon, drawn at four times its size and scaled down."""
    side = SIZE * SCALE
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, side - 1, side - 1), radius=side // 5, fill="#0072B2")
    curve = [(x / 100, _loss(x / 100)) for x in range(8, 93)]
    draw.line([(x * side, y * side) for x, y in curve], fill="white", width=side // 16,
              joint="curve")
    for x, color in ((0.29, "#D55E00"), (0.68, "#F0E442")):
        y, r = _loss(x) - 0.06, 0.09
        draw.ellipse([(x - r) * side, (y - r) * side, (x + r) * side, (y + r) * side], fill=color,
                     outline="white", width=side // 40)
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _loss(x: float) -> float:
    sharp = 0.5 * max(0.0, 1 - abs(x - 0.29) / 0.14)
    flat = 0.5 * max(0.0, 1 - ((x - 0.68) / 0.24) ** 2)
    return 0.26 + max(sharp, flat)


if __name__ == "__main__":
    draw_icon().save(Path(__file__).with_name("icon.png"))
