"""Make-up, retouching, light and noise: what they change, and what they must leave as it is."""

import unittest

import numpy as np
import torch
from stand_ins import box_of, draw_head, landmarks_in

from truecast_training.dataset import relight, tilted
from truecast_training.forgeries import Chance
from truecast_training.geometry import blur
from truecast_training.prepare import filtered
from truecast_training.retouch import coloured_light, draw_grade, luma, make_up, retouched, sensor_noise, skin, smooth_skin

SIZE = 128
LANDMARKS = torch.from_numpy(landmarks_in(box_of(SIZE))).float()


def chance(seed: int = 5) -> Chance:
    return Chance(torch.Generator().manual_seed(seed))


def still(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.asarray(draw_head(seed, SIZE)).copy()).permute(2, 0, 1).unsqueeze(0).float() / 255


def fine(picture: torch.Tensor) -> torch.Tensor:
    return (picture - blur(picture, 1.5)).abs()


class Retouch(unittest.TestCase):
    def test_make_up_lies_on_the_face_and_nowhere_else(self) -> None:
        for seed in range(6):
            change = (make_up(still(seed), LANDMARKS, chance(seed)) - still(seed)).abs()
            self.assertLess(float(change[:, :, :8].max()) + float(change[:, :, :, :8].max()), 1e-3)
            self.assertGreater(float(change[:, :, 48:104, 40:88].max()), 0.02, f"seed {seed}")

    def test_smoothing_takes_texture_from_the_skin_and_leaves_eyes_and_surroundings(self) -> None:
        picture = still(2)
        smooth = smooth_skin(picture, LANDMARKS, 1, 0.03, 0.1)
        cheeks = (skin(picture, LANDMARKS) > 0.95).expand_as(picture)
        self.assertGreater(int(cheeks.sum()), 500)
        self.assertLess(float(fine(smooth)[cheeks].mean()), 0.6 * float(fine(picture)[cheeks].mean()))
        away = (skin(picture, LANDMARKS) == 0).expand_as(picture)
        self.assertTrue(torch.equal(smooth[away], picture[away]))
        for eye in (LANDMARKS[36:42], LANDMARKS[42:48]):
            x, y = (int(v) for v in eye.mean(0))
            self.assertLess(float(skin(picture, LANDMARKS)[0, 0, y, x]), 0.2)

    def test_a_retouched_face_stays_a_picture_and_the_same_seed_gives_the_same(self) -> None:
        for seed in range(8):
            out = retouched(still(seed), LANDMARKS, chance(seed))
            self.assertTrue(bool(((out >= 0) & (out <= 1)).all()))
            self.assertTrue(torch.equal(out, retouched(still(seed), LANDMARKS, chance(seed))))

    def test_what_an_app_draws_over_a_picture_is_the_same_on_genuine_and_forged(self) -> None:
        genuine = still(3).expand(4, -1, -1, -1)
        changed = set()
        for seed in range(12):
            ours, theirs = filtered(genuine, genuine.clone(), LANDMARKS, chance(seed), 1)
            torch.testing.assert_close(ours, theirs)
            changed.add(round(float((ours - genuine).abs().mean()), 5))
        self.assertGreater(len(changed), 6, "they are not all one filter")


class Light(unittest.TestCase):
    def test_coloured_light_tints_one_side_more_than_the_other(self) -> None:
        gains = torch.cat([coloured_light(64, chance(seed)) for seed in range(8)])
        self.assertTrue(bool(((gains >= 0.15) & (gains <= 2)).all()))
        tint = (gains / luma(gains)).flatten(2)
        self.assertGreater(float((tint.amax(2) - tint.amin(2)).amax(1).median()), 0.2)

    def test_a_grade_keeps_the_order_of_greys(self) -> None:
        greys = torch.linspace(0.05, 0.95, 32).view(1, 1, 1, 32).expand(1, 3, 1, 32)
        for seed in range(10):
            levels = luma(draw_grade(chance(seed)).on(greys)).flatten()
            self.assertTrue(bool((levels.diff() > -0.01).all()), f"seed {seed}: {levels.tolist()}")

    def test_a_pair_in_training_gets_one_light(self) -> None:
        crops = torch.rand(4, 32, 32, 3).mul(255)
        crops[1::2] = crops[::2]
        out = relight(crops.clone(), chance(1).generator, probability=1)
        torch.testing.assert_close(out[1::2], out[::2])
        self.assertGreater(float((out - crops).abs().mean()), 5)


class Tilt(unittest.TestCase):
    def test_a_pair_is_tilted_alike_and_its_mask_with_it(self) -> None:
        crops, masks = torch.full((2, 64, 64, 3), 50.0), torch.zeros(2, 16, 16)
        crops[:, 24:40, 8:24], masks[:, 6:10, 2:6] = 250.0, 1.0
        for seed in range(6):
            out, moved = tilted(crops.clone(), masks.clone(), torch.Generator().manual_seed(seed), probability=1)
            self.assertTrue(torch.equal(out[0], out[1]) and torch.equal(moved[0], moved[1]))
            bright = torch.nn.functional.avg_pool2d((out[:1, :, :, 0] - 50) / 200, 4)[0]
            self.assertGreater(float((out - crops).abs().mean()), 2, "it moved")
            self.assertLess(float((bright - moved[0]).abs().mean()), 0.01, f"seed {seed}: the mask lies where the patch is")

    def test_without_luck_nothing_is_tilted(self) -> None:
        crops, masks = torch.rand(4, 32, 32, 3), torch.rand(4, 8, 8)
        out, moved = tilted(crops.clone(), masks.clone(), torch.Generator().manual_seed(1), probability=0)
        self.assertTrue(torch.equal(out, crops) and torch.equal(moved, masks))


class Noise(unittest.TestCase):
    def test_noise_follows_structure_or_flees_it(self) -> None:
        half = torch.full((1, 3, 64, 64), 0.5)
        half[:, :, :, 32:] += 0.2 * torch.rand(1, 1, 64, 32, generator=torch.Generator().manual_seed(1)) - 0.1
        smooth, textured = slice(0, 28), slice(36, 64)
        for texture, louder, quiet in ((0.9, textured, smooth), (-0.9, smooth, textured)):
            noise = sensor_noise(half, 0.05, 0.5, texture, chance().generator).abs().mean((0, 1, 2))
            self.assertGreater(float(noise[louder].mean()), 1.5 * float(noise[quiet].mean()))


if __name__ == "__main__":
    unittest.main()
