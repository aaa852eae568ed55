"""Curves of a training run as a PNG, drawn with Pillow."""

from pathlib import Path
from typing import Dict, List, Tuple

from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN = 900, 480, 50
COLOURS = {"loss": (200, 60, 40), "accuracy": (40, 100, 190), "auc": (30, 140, 70)}


def draw_curves(history: List[Dict[str, float]], path: Path) -> None:
    """Loss, training accuracy and held-out AUC over steps, all on an axis from 0 to 1 (a loss above 1 is cut off)."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    last = max(point["step"] for point in history)

    def place(step: float, value: float) -> Tuple[float, float]:
        return MARGIN + (WIDTH - 2 * MARGIN) * step / last, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * min(1.0, max(0.0, value))

    for tick in range(0, 11, 2):
        y = place(0, tick / 10)[1]
        draw.line([(MARGIN, y), (WIDTH - MARGIN, y)], fill=(225, 225, 225))
        draw.text((15, y - 6), f"{tick / 10:.1f}", fill="black")
    for index, (name, colour) in enumerate(COLOURS.items()):
        points = [place(point["step"], point[name]) for point in history if name in point]
        if len(points) > 1:
            draw.line(points, fill=colour, width=2)
        for x, y in points:
            draw.ellipse([(x - 2, y - 2), (x + 2, y + 2)], fill=colour)
        draw.text((MARGIN + 180 * index, 15), {"loss": "training loss", "accuracy": "training accuracy", "auc": "held-out AUC"}[name], fill=colour)
    draw.text((WIDTH - MARGIN - 90, HEIGHT - 30), f"{int(last)} steps", fill="black")
    picture.save(str(path))
