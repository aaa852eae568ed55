"""Clips made long enough for an alert."""

import contextlib
import csv
import io
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
from stand_ins import draw_head

from truecast_training.__main__ import main
from truecast_training.forge_clips import Settings, decode
from truecast_training.long_clips import encode_stream, to_and_fro

SIZE = 96


class LongClips(unittest.TestCase):
    def setUp(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)

    def tearDown(self) -> None:
        self.temporary.cleanup()

    def run_command(self, *arguments: str) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            main(["long-clips", "--out", str(self.folder / "out"), "--height", str(SIZE), *arguments])
        return said.getvalue()

    def rows(self) -> "list[tuple[str, str, str]]":
        with (self.folder / "out/manifest.csv").open(newline="", encoding="utf-8") as file:
            return [(row["file"], row["label"], row["group"]) for row in csv.DictReader(file)]

    def test_frames_go_to_and_fro_without_a_jump(self) -> None:
        order = to_and_fro(4, 14)
        self.assertEqual(order, [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1])
        self.assertEqual([to_and_fro(1, 3), to_and_fro(2, 5)], [[0, 0, 0], [0, 1, 0, 1, 0]])

    def test_a_short_clip_becomes_a_long_one_that_turns_back_and_the_unreadable_is_named(self) -> None:
        head = np.asarray(draw_head(7, SIZE + 40))
        frames = np.stack([head[20 : 20 + SIZE, 4 * i : 4 * i + SIZE] for i in range(10)])
        size = f"{SIZE}x{SIZE}"
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "10", "-i", "pipe:0", "-c:v", "libx264", "-qp", "4", str(self.folder / "a.mp4")], input=frames.tobytes(), check=True)
        (self.folder / "broken.mp4").write_bytes(b"no video")
        (self.folder / "b.mp4").write_bytes((self.folder / "a.mp4").read_bytes())
        (self.folder / "clips.csv").write_text("file,label,type,group\na.mp4,real,drawn,g1\nbroken.mp4,real,drawn,g2\nb.mp4,fake,drawn,g1\n", encoding="utf-8")
        said = self.run_command("--manifest", str(self.folder / "clips.csv"), "--seconds", "3")
        self.assertIn("2 clips of 3 s", said)
        self.assertRegex(said, r"left out: .*broken\.mp4")
        self.assertEqual(self.rows(), [("a.mp4", "real", "g1"), ("b.mp4", "fake", "g1")])
        long, rate = decode(self.folder / "out/a.mp4", Settings())
        self.assertEqual((len(long), rate), (30, "10/1"))
        apart = lambda i, j: float(np.abs(long[i].astype(int) - long[j]).mean())
        self.assertLess(apart(2, 16), apart(2, 9) / 3, "frame 16 is frame 2 on the way back")

    def test_a_photograph_is_filmed_by_a_moving_camera(self) -> None:
        (self.folder / "photographs").mkdir()
        draw_head(3, SIZE).save(self.folder / "photographs/one.png")
        self.run_command("--photographs", str(self.folder / "photographs"), "--seconds", "4")
        self.assertEqual(self.rows(), [("one.mp4", "real", "one")])
        film, _ = decode(self.folder / "out/one.mp4", Settings())
        self.assertEqual(film.shape, (100, SIZE, SIZE, 3))
        self.assertGreater(float(np.abs(film[0].astype(int) - film[-1]).mean()), 1)

    def test_an_encoder_that_fails_says_why(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "ffmpeg ended with"):
            encode_stream([np.zeros((8, 8, 3), np.uint8)], (8, 8), "10/1", Settings(height_px=8), self.folder / "missing/a.mp4")


if __name__ == "__main__":
    unittest.main()
