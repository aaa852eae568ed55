"""Faces, forgeries, sequences, the channel and the shards made of them."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from stand_ins import draw_head, box_of, landmarks_in, write_stills

from truecast_training.channel import Encoding, through_h264, through_palette
from truecast_training.dataset import Shards, augment, frame_batches
from truecast_training.faces import load_faces, people_of, split_people
from truecast_training.forgeries import KINDS, Chance, forge
from truecast_training.generator import fresh_autoencoders
from truecast_training.geometry import apply, blur, half_planes, invert, similarity, warp
from truecast_training.prepare import ClipPlan, crop, mirrored, prepare
from truecast_training.sequences import in_front, out_of_focus, put_on


def chance(seed: int = 5) -> Chance:
    return Chance(torch.Generator().manual_seed(seed))


def still(seed: int, size: int = 128) -> torch.Tensor:
    return torch.from_numpy(np.asarray(draw_head(seed, size)).copy()).permute(2, 0, 1).unsqueeze(0).float() / 255


LANDMARKS = torch.from_numpy(landmarks_in(box_of(128))).float()


class Geometry(unittest.TestCase):
    def test_a_similarity_is_found_from_the_points_it_moved(self) -> None:
        truth = torch.tensor([[[0.8, -0.3, 5.0], [0.3, 0.8, -7.0]]])
        moved = apply(truth, LANDMARKS.unsqueeze(0))
        torch.testing.assert_close(similarity(LANDMARKS.unsqueeze(0), moved), truth, rtol=0, atol=1e-3)
        torch.testing.assert_close(apply(invert(truth), moved)[0], LANDMARKS, rtol=0, atol=1e-3)

    def test_a_picture_warped_there_and_back_is_nearly_the_same_inside(self) -> None:
        there = torch.tensor([[[1.0, 0.05, 3.0], [-0.05, 1.0, 2.0]]])
        smooth = blur(still(1), 2)
        back = warp(warp(smooth, there, (128, 128)), invert(there), (128, 128))
        self.assertLess(float((back - smooth)[:, :, 20:-20, 20:-20].abs().mean()), 0.005)

    def test_the_hull_of_a_square_is_the_square(self) -> None:
        square = torch.tensor([[[10.0, 10.0], [29.0, 10.0], [29.0, 29.0], [10.0, 29.0]]])
        mask = half_planes(square, (40, 40))
        self.assertEqual(int(mask.sum()), 400)

    def test_mirroring_keeps_each_landmark_in_its_role(self) -> None:
        picture, landmarks, box = mirrored(still(2), LANDMARKS, torch.tensor([10.0, 20.0, 50.0, 60.0]))
        self.assertLess(float(landmarks[0, 0]), float(landmarks[16, 0]), "the first jaw point stays on the left of the picture")
        self.assertEqual(box.tolist(), [67.0, 20.0, 50.0, 60.0])
        again, points, _ = mirrored(picture, landmarks, box)
        torch.testing.assert_close(points, LANDMARKS)
        self.assertTrue(torch.equal(again, still(2)))

    def test_a_crop_of_an_even_reduction_is_the_mean_of_its_pixels(self) -> None:
        picture = torch.rand(1, 3, 64, 64)
        cut = crop(picture, [(8.0, 8.0, 32.0)], 16)
        expected = torch.nn.functional.avg_pool2d(picture[:, :, 8:40, 8:40], 2)
        self.assertLess(float((cut - expected).abs().mean()), 0.01 + float((picture - 0.5).abs().mean()))
        self.assertEqual(list(cut.shape), [1, 3, 16, 16])


class Faces(unittest.TestCase):
    def test_faces_that_are_near_are_one_person_even_over_a_third(self) -> None:
        descriptors = np.zeros((4, 128), np.float32)
        descriptors[:, 0] = [0, 0.4, 0.8, 5]
        self.assertEqual(people_of(descriptors, 0.5).tolist(), [0, 0, 0, 1])

    def test_no_person_is_on_both_sides_of_the_split(self) -> None:
        people = np.repeat(np.arange(60), 3)
        training, held_out = split_people(people, 0.2, 1)
        self.assertEqual(set(people[training]) & set(people[held_out]), set())
        self.assertEqual(len(training) + len(held_out), len(people))
        self.assertAlmostEqual(len(held_out) / len(people), 0.2, delta=0.05)


class Forgeries(unittest.TestCase):
    def test_every_kind_covers_the_face_and_differs_from_it(self) -> None:
        autoencoders = [autoencoder.eval() for autoencoder in fresh_autoencoders()]
        for kind in KINDS:
            with self.subTest(kind):
                forgery = forge(kind, still(1), LANDMARKS, still(2), LANDMARKS, chance(), autoencoders)
                self.assertEqual(list(forgery.layer.shape), [1, 3, 128, 128])
                self.assertEqual(list(forgery.mask.shape), [1, 1, 128, 128])
                self.assertTrue(0 <= float(forgery.mask.min()) and float(forgery.mask.max()) <= 1)
                self.assertGreater(float(forgery.mask[0, 0, 70:100, 55:75].mean()), 0.3, "the mouth is covered")
                self.assertGreater(float(((forgery.layer - still(1)).abs() * forgery.mask).sum() / forgery.mask.sum()), 0.003)

    def test_the_same_seed_gives_the_same_forgery(self) -> None:
        first, second = (forge("self-blend", still(1), LANDMARKS, still(2), LANDMARKS, chance(9), []) for _ in range(2))
        self.assertTrue(torch.equal(first.layer, second.layer) and torch.equal(first.mask, second.mask))

    def test_what_lies_outside_the_mask_stays_genuine_in_every_frame(self) -> None:
        forgery = forge("swap", still(1), LANDMARKS, still(2), LANDMARKS, chance(), [])
        stills, masks = put_on(still(1), forgery, LANDMARKS, 6, chance())
        outside = (masks == 0).expand_as(stills)
        self.assertTrue(torch.equal(stills[outside], still(1).expand_as(stills)[outside]))
        self.assertGreater(float((stills[0] - stills[3]).abs().max()), 0, "the layer is not still")


class Channel(unittest.TestCase):
    def test_ffmpeg_gives_back_as_many_frames_and_loses_more_at_a_lower_bit_rate(self) -> None:
        frames = np.stack([np.asarray(draw_head(3, 128))] * 12)
        frames = np.stack([np.roll(frame, 2 * i, 1) for i, frame in enumerate(frames)])
        lost = []
        for bits in (0.02, 0.5):
            decoded = through_h264(frames, Encoding(bits, "veryfast", True, 12))
            self.assertEqual(decoded.shape, frames.shape)
            lost.append(float(np.abs(decoded.astype(float) - frames).mean()))
        self.assertGreater(lost[0], 1.3 * lost[1])


    def test_a_palette_leaves_no_more_than_256_colours(self) -> None:
        frames = np.stack([np.asarray(draw_head(3, 96))] * 3)
        through = through_palette(frames)
        self.assertEqual(through.shape, frames.shape)
        self.assertGreater(len(np.unique(frames.reshape(-1, 3), axis=0)), 256)
        self.assertLessEqual(len(np.unique(through.reshape(-1, 3), axis=0)), 256)


class InFrontOfTheCamera(unittest.TestCase):
    def test_something_in_front_covers_genuine_and_forged_alike(self) -> None:
        films = [torch.full((4, 64, 64, 3), value, dtype=torch.uint8) for value in (50, 200)]
        covered, free = in_front(films, 4, chance(3))
        self.assertEqual([list(film.shape) for film in covered], [[4, 64, 64, 3]] * 2)
        untouched = (free[:, 0] == 1).unsqueeze(3).expand(4, 64, 64, 3)
        self.assertTrue(0 < int(untouched.sum()) < untouched.numel())
        for film, before in zip(covered, films):
            self.assertTrue(torch.equal(film[untouched], before[untouched]))
        nearer = (covered[0].float() - covered[1].float()).abs()[~untouched].mean()
        self.assertLess(float(nearer), 150, "what is covered tells genuine and forged less apart")

    def test_out_of_focus_leaves_the_face_as_it_is(self) -> None:
        picture = still(4)
        soft = out_of_focus(picture, LANDMARKS, 3)
        face = (slice(None), slice(None), slice(50, 90), slice(50, 80))
        self.assertTrue(torch.equal(soft[face], picture[face]))
        self.assertFalse(torch.equal(soft[:, :, :8], picture[:, :, :8]))


class Shard(unittest.TestCase):
    def test_shards_hold_pairs_and_a_second_run_draws_nothing(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_stills(folder / "stills", 24)
            plan = ClipPlan(pairs=2, frames=4, kept=(1, 3))
            draw = lambda: prepare(folder / "stills", folder / "data", plan, "training", 2, 48, 1.3, autoencoder_steps=2, looks=1)
            with contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(draw(), 2)
                self.assertEqual(draw(), 0)
            shards = Shards(folder / "data" / "training")
            self.assertEqual(shards.refresh(), 8)
            self.assertEqual([int(label) for label in shards.labels], [0, 1] * 4)
            self.assertEqual(shards.crops[0].shape, (2, 48, 48, 3))
            self.assertTrue(all(mask.max() == 0 for mask in shards.masks[::2]) and all(mask.max() > 0 for mask in shards.masks[1::2]))
            faces = load_faces(folder / "stills")
            training, _ = split_people(faces.people, 0.15, 7)
            with np.load(str(folder / "data/training/00000.npz")) as shard:
                self.assertTrue(set(shard["faces"]) <= set(training), "training shards show training faces only")
            generator = torch.Generator().manual_seed(1)
            crops, masks, labels = next(iter(frame_batches(shards, 4, generator)))
            crops, masks = augment(crops, masks, generator, 0.5, 0.5)
            self.assertEqual((list(crops.shape), list(masks.shape), labels.tolist()), ([4, 48, 48, 3], [4, 12, 12], [0, 1, 0, 1]))


if __name__ == "__main__":
    unittest.main()
