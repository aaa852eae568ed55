"""Swaps on clips, to judge with: the mesh, the colours, and pairs from a manifest."""

import contextlib
import csv
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import List

import numpy as np
import torch
from stand_ins import box_of, draw_head, landmarks_in, write_stills

from truecast_training.cielab import to_lab, to_rgb
from truecast_training.donors import Donors
from truecast_training.faces import load_faces
from truecast_training.forge_clips import Followed, ManifestInvalid, Settings, decode, forge_clips, read_genuine, swapped
from truecast_training.still_swap import draw_look, edge_of, membrane, piecewise_affine, smooth_over_time, triangulate, with_forehead

SIZE, FRAMES, WITHOUT_FACE = 192, 12, 5
SHIFTS = [(i, i // 2) for i in range(FRAMES)]


def filmed() -> np.ndarray:
    """A drawn head that moves to the right and down, `[t, h, w, 3]`."""
    wide = np.asarray(draw_head(900, SIZE + 32))
    return np.stack([wide[16 - y : 16 - y + SIZE, 16 - x : 16 - x + SIZE] for x, y in SHIFTS])


def followed() -> Followed:
    points = landmarks_in(box_of(SIZE + 32)).astype(np.float32) - 16
    landmarks = [points + np.array(shift, np.float32) for shift in SHIFTS]
    return Followed([None if i == WITHOUT_FACE else p for i, p in enumerate(landmarks)], np.zeros((0, 128), np.float32))


class Mesh(unittest.TestCase):
    def test_triangles_cover_the_hull_once(self) -> None:
        corners = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
        points = np.concatenate((corners, np.random.default_rng(3).uniform(0.05, 0.95, (30, 2))))
        a, b, c = (points[triangulate(points)[:, k]] for k in range(3))
        areas = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
        self.assertAlmostEqual(float(areas.sum()), 1, places=2)

    def test_every_landmark_goes_where_its_twin_is(self) -> None:
        target = with_forehead(torch.from_numpy(landmarks_in((10, 10, 100, 100))).float())
        source = target + torch.from_numpy(np.random.default_rng(4).normal(0, 1, (78, 2))).float()
        triangles = torch.from_numpy(triangulate(target.numpy()))
        torch.testing.assert_close(piecewise_affine(target, target, source, triangles), source, rtol=0, atol=0.05)

    def test_a_membrane_keeps_what_is_constant_or_linear_along_the_edge(self) -> None:
        edge = edge_of(torch.from_numpy(landmarks_in((10, 10, 100, 100))).float())
        at = edge.mean(0) + 0.6 * (edge - edge.mean(0))
        values = torch.stack((torch.full((len(edge),), 7.0), 0.3 * edge[:, 0] - 0.1 * edge[:, 1]), 1)
        expected = torch.stack((torch.full((len(at),), 7.0), 0.3 * at[:, 0] - 0.1 * at[:, 1]), 1)
        torch.testing.assert_close(membrane(edge, values, at), expected, rtol=0, atol=0.05)

    def test_colours_come_back_from_cielab(self) -> None:
        rgb = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(to_rgb(to_lab(rgb)), rgb, rtol=0, atol=2e-3)
        torch.testing.assert_close(to_lab(torch.ones(1, 3, 1, 1)).flatten(), torch.tensor([100.0, 0, 0]), rtol=0, atol=0.2)


class Smoothing(unittest.TestCase):
    def test_jitter_shrinks_and_neither_gaps_nor_jumps_are_smoothed_over(self) -> None:
        face = landmarks_in((0, 0, 100, 100))
        random = np.random.default_rng(1)
        shaken: List[np.ndarray] = [face + random.normal(0, 1) + (300 if i >= 20 else 0) for i in range(40)]
        smooth = smooth_over_time([None if i == 10 else p for i, p in enumerate(shaken)], 1.5)
        self.assertIsNone(smooth[10])
        moved = np.array([float((p - face).mean()) for p in smooth if p is not None])
        self.assertLess(moved[:19].std(), 0.8 * np.std([float((p - face).mean()) for p in shaken[:20]]))
        self.assertLess(np.abs(moved[:19]).max(), 5)
        self.assertGreater(moved[19:].min(), 290)


class Swaps(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)
        write_stills(cls.folder / "stills", 30, size=256)
        size = f"{SIZE}x{SIZE}"
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "10", "-i", "pipe:0", "-c:v", "libx264", "-qp", "4", str(cls.folder / "a, b.mp4")], input=filmed().tobytes(), check=True)
        lines = [("file", "label", "type", "group"), ("a, b.mp4", "real", "drawn", "g1"), ("gone.mp4", "real", "drawn", "g2"), ("a, b.mp4", "fake", "drawn", "g1")]
        with (cls.folder / "clips.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.temporary.cleanup()

    def test_a_swap_changes_the_face_and_nothing_else(self) -> None:
        faces = load_faces(self.folder / "stills")
        donors = Donors(faces, np.arange(len(faces)))
        frames, face = filmed(), followed()
        shape = donors.shape_of(torch.from_numpy(face.landmarks[0]))
        for side, colour in ((128, "lab"), (256, "seamless")):
            out = swapped(frames, face, donors, donors.indices[0], shape, draw_look(side, colour, np.random.default_rng(1)))
            self.assertTrue((out[WITHOUT_FACE] == frames[WITHOUT_FACE]).all())
            for i in (0, FRAMES - 1):
                change = np.abs(out[i].astype(int) - frames[i]).mean(2)
                x, y = face.landmarks[i][30].astype(int)
                self.assertGreater(change[y - 20 : y + 20, x - 20 : x + 20].mean(), 2, (colour, i))
                self.assertEqual(float(change[:, :8].max()) + float(change[:8].max()), 0, (colour, i))

    def test_a_manifest_becomes_pairs_through_one_encoder_and_a_second_run_makes_none_again(self) -> None:
        out, asked = self.folder / "out", []

        def follow(frames: np.ndarray) -> Followed:
            asked.append(frames.shape)
            return followed()

        def run() -> "tuple[int, int]":
            with contextlib.redirect_stderr(io.StringIO()):
                return forge_clips(self.folder / "clips.csv", self.folder / "stills", out, Settings(height_px=SIZE), follow)

        self.assertEqual(run(), (1, 1))
        self.assertEqual(asked, [(FRAMES, SIZE, SIZE, 3)])
        self.assertIn("gone.mp4", (out / "gone.json").read_text(encoding="utf-8"))
        with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([(row["file"], row["label"], row["group"]) for row in rows], [("a, b-genuine.mp4", "real", "g1"), ("a, b-swap.mp4", "fake", "g1")])
        genuine, swap = (decode(out / row["file"], Settings())[0].astype(int) for row in rows)
        self.assertEqual(genuine.shape, swap.shape)
        change = np.abs(genuine - swap).mean(3)
        middle = slice(SIZE // 2 - 16, SIZE // 2 + 16)
        self.assertGreater(change[0, middle, middle].mean(), 3 * change[0, :, :16].mean())
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.mp4")}
        self.assertEqual(run(), (1, 1))
        self.assertEqual({path.name: path.stat().st_mtime_ns for path in out.glob("*.mp4")}, before)
        self.assertEqual(len(asked), 1)

    def test_a_manifest_that_cannot_be_read_is_refused_with_its_place(self) -> None:
        wrong = self.folder / "wrong.csv"
        wrong.write_text("file,label,type,group\na.mp4,genuine,x,y\n", encoding="utf-8")
        with self.assertRaisesRegex(ManifestInvalid, r'wrong\.csv:2: column label is "genuine" but must be real or fake'):
            read_genuine(wrong)
        wrong.write_text("file,label,type\na.mp4,real,x\n", encoding="utf-8")
        with self.assertRaisesRegex(ManifestInvalid, "column group is missing"):
            read_genuine(wrong)


if __name__ == "__main__":
    unittest.main()
