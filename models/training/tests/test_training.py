"""The trainer from shards to a model folder, on data that fits a test."""

import contextlib
import io
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from truecast_training.__main__ import main
from truecast_training.face_api import FACE_API_WEIGHTS, RECOGNITION, read_weights, start_from_face_api
from truecast_training.networks import FaceResNet, build_model
from truecast_training.recipes import RECIPES, recipe_of
from truecast_training.train import learning_rate, train_frames
from truecast_training.train_end_to_end import train_end_to_end
from truecast_training.train_rivals import train_rival
from truecast_training.train_sequences import average_at_first, shuffled_stills, train_sequences

try:
    import torchvision
except ImportError:
    torchvision = None

WEIGHTS = Path(__file__).resolve().parents[3] / FACE_API_WEIGHTS


def write_shards(folder: Path, shards: int, clips: int, frames: int, size: int) -> None:
    """Genuine clips of noise; the forged twin wears a smooth patch in the middle."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        random = np.random.default_rng(number)
        genuine = random.integers(0, 255, (clips // 2, frames, size, size, 3), dtype=np.uint8)
        forged, masks = genuine.copy(), np.zeros((clips // 2, 2, frames, size // 4, size // 4), np.uint8)
        inner = slice(size // 4, 3 * size // 4)
        forged[:, :, inner, inner] = 128
        masks[:, 1, :, size // 16 : 3 * size // 16, size // 16 : 3 * size // 16] = 255
        crops = np.stack((genuine, forged), 1).reshape(clips, frames, size, size, 3)
        np.savez(folder / f"{number:05d}.npz", crops=crops, masks=masks.reshape(clips, frames, size // 4, size // 4), labels=np.tile([0, 1], clips // 2), kinds=np.repeat(["patch"], clips))


def quiet():
    return contextlib.redirect_stderr(io.StringIO())


class Training(unittest.TestCase):
    def setUp(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        for part in ("training", "held-out"):
            write_shards(self.folder / "frames" / part, 2, 8, 2, 32)

    def tearDown(self) -> None:
        self.temporary.cleanup()

    def test_an_lstm_begins_as_an_average_that_rises_with_the_log_odds_of_frames(self) -> None:
        model = build_model("face-resnet")
        size = model.lstm.input_size
        weight = torch.randn(size, generator=torch.Generator().manual_seed(3)) / size**0.5
        average_at_first(model, weight, 0.2)
        direction = weight / (weight @ weight)
        with torch.no_grad():
            logits = [float(model.classify((odds * direction).expand(1, 100, size)) @ torch.tensor([-1.0, 1.0])) for odds in (-6.0, -2.0, 2.0, 6.0)]
        self.assertEqual(logits, sorted(logits))
        self.assertTrue(logits[0] < -1 and logits[-1] > 1, str(logits))

    def test_frames_then_lstm_then_export_gives_a_folder_that_tells_order(self) -> None:
        for part in ("training", "held-out"):
            write_shards(self.folder / "sequences" / part, 1, 4, 100, 32)
        recipe = replace(recipe_of("edge-scratch"), frame_batch=8, sequence_batch=4)
        with quiet():
            frames = train_frames(recipe, self.folder / "frames", self.folder / "run", torch.device("cpu"), steps=12)
            model = train_sequences(recipe, frames, self.folder / "frames", self.folder / "sequences", self.folder / "run", torch.device("cpu"), steps=4)
        self.assertTrue((self.folder / "run/frames.png").exists() and (self.folder / "run/sequences.png").exists())
        history = json.loads((self.folder / "run/frames-history.json").read_text())
        self.assertEqual(history[-1]["step"], 12)
        out = self.folder / "edge"
        with contextlib.redirect_stdout(io.StringIO()):
            main(["export", "--model", "face-resnet", "--name", "edge", "--weights", str(model), "--out", str(out), "--note", "a test"])
        manifest = json.loads((out / "manifest.json").read_text())
        self.assertEqual((manifest["trained"], manifest["training"], manifest["featureSize"]), (False, "a test", 448))
        self.assertEqual(manifest["name"], "edge")
        self.assertLess(manifest["bands"]["uncertain"], manifest["bands"]["suspicious"])
        self.assertLess(manifest["bands"]["suspicious"], manifest["bands"]["manipulated"])
        with self.assertRaisesRegex(ValueError, "must say how accurate"), contextlib.redirect_stdout(io.StringIO()):
            main(["export", "--model", "face-resnet", "--name", "edge", "--weights", str(model), "--out", str(out), "--trained"])
        trained = build_model("face-resnet")
        trained.load_state_dict(torch.load(str(model), map_location="cpu")["model"])
        features = torch.randn(1, 100, 448).cumsum(1) / 10
        with torch.no_grad():
            difference = (trained.classify(features) - trained.classify(features.flip(1))).abs().max()
        self.assertGreater(float(difference), 1e-3)

    def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(self) -> None:
        recipe = replace(recipe_of("edge-scratch"), frame_batch=8)
        with quiet():
            train_frames(recipe, self.folder / "frames", self.folder / "run", torch.device("cpu"), steps=3)
            train_frames(recipe, self.folder / "frames", self.folder / "run", torch.device("cpu"), steps=5)
        state = torch.load(str(self.folder / "run/frames-checkpoint.pt"))
        self.assertEqual((state["step"], [point["step"] for point in state["history"]]), (5, [3, 5]))

    def test_a_run_begins_with_the_averaged_weights_of_an_earlier_one(self) -> None:
        recipe = replace(recipe_of("edge-scratch"), frame_batch=8, learning_rate=0.0)
        with quiet():
            earlier = train_frames(replace(recipe, learning_rate=1e-3), self.folder / "frames", self.folder / "run", torch.device("cpu"), steps=3)
            checkpoint = self.folder / "run/frames-checkpoint.pt"
            again = [train_frames(recipe, self.folder / "frames", self.folder / name, torch.device("cpu"), steps=1, earlier=path) for name, path in (("one", earlier), ("two", checkpoint))]
        before = torch.load(str(earlier), map_location="cpu")
        for path in again:
            after = torch.load(str(path), map_location="cpu")
            torch.testing.assert_close(after["label"]["weight"], before["label"]["weight"])
            name = next(key for key, tensor in before["model"].items() if tensor.dim() == 4)
            torch.testing.assert_close(after["model"][name], before["model"][name])

    def test_exported_weights_lag_further_behind_with_a_longer_average(self) -> None:
        apart = []
        for averaging in (0.0, 0.9):
            recipe = replace(recipe_of("edge-scratch"), frame_batch=8, averaging=averaging)
            with quiet():
                train_frames(recipe, self.folder / "frames", self.folder / f"run-{averaging}", torch.device("cpu"), steps=4)
            state = torch.load(str(self.folder / f"run-{averaging}/frames-checkpoint.pt"))
            apart.append(float((state["trainer"]["label.weight"] - state["average"]["label.weight"]).abs().max()))
        self.assertEqual(apart[0], 0)
        self.assertGreater(apart[1], 0)

    def test_no_shards_is_said_plainly(self) -> None:
        with self.assertRaisesRegex(ValueError, "run prepare first"):
            train_frames(recipe_of("edge"), self.folder / "nothing", self.folder / "run", torch.device("cpu"), steps=1)

    @unittest.skipUnless(WEIGHTS.exists(), "node_modules is missing")
    def test_edge_starts_as_the_network_whose_weights_it_takes(self) -> None:
        weights = read_weights(WEIGHTS, RECOGNITION)
        self.assertEqual(list(weights["conv32_down/conv/filters"].shape), [7, 7, 3, 32])
        model = build_model("face-resnet")
        crops = torch.from_numpy(np.random.default_rng(1).integers(0, 255, (8, 112, 112, 3), dtype=np.uint8))
        backbone = model.backbone
        assert isinstance(backbone, FaceResNet)
        start_from_face_api(backbone, WEIGHTS, crops, model.normalised)
        block, x = backbone.layer1[0].eval(), torch.rand(4, 32, 14, 14)
        y = x
        for layer, final in (("conv32_1/conv1", False), ("conv32_1/conv2", True)):
            y = torch.nn.functional.conv2d(y, weights[f"{layer}/conv/filters"].permute(3, 2, 0, 1), weights[f"{layer}/conv/bias"], 1, 1)
            y = y * weights[f"{layer}/scale/weights"].view(1, -1, 1, 1) + weights[f"{layer}/scale/biases"].view(1, -1, 1, 1)
            y = y if final else torch.relu(y)
        with torch.no_grad():
            torch.testing.assert_close(block(x), torch.relu(x + y), rtol=1e-3, atol=1e-3)

    def test_the_paper_s_recipe_is_the_paper_s_and_runs(self) -> None:
        paper = recipe_of("paper")
        self.assertEqual((paper.learning_rate, paper.weight_decay, paper.answers_at, paper.end_to_end), (1e-5, 1e-5, (100,), True))
        self.assertEqual(build_model("face-resnet").dropout.p, 0.4)
        self.assertEqual([learning_rate(paper, step, 10) for step in (0, 9)], [1e-5, 1e-5])
        for part in ("training", "held-out"):
            write_shards(self.folder / "sequences" / part, 1, 2, 3, 32)
        # The same trainer on the small network: the large one takes a GPU.
        with quiet():
            path = train_end_to_end(replace(paper, network="face-resnet", sequence_batch=2), self.folder / "sequences", self.folder / "run", torch.device("cpu"), steps=2)
        self.assertTrue(path.exists())

    @unittest.skipIf(torchvision is None, "torchvision is missing")
    def test_each_rival_of_the_paper_trains_for_two_steps(self) -> None:
        for name in ("efficientnet-b5", "densenet-121", "flow-vgg16"):
            with self.subTest(name), quiet():
                path = train_rival(replace(recipe_of(name), frame_batch=4), self.folder / "frames", self.folder / name, torch.device("cpu"), steps=2)
                history = torch.load(str(path))["history"]
                self.assertTrue(np.isfinite(history[-1]["loss"]))

    def test_recipes_have_names_of_their_own(self) -> None:
        self.assertEqual(len({recipe.name for recipe in RECIPES}), len(RECIPES))

    def test_stills_drawn_out_to_a_horizon_are_their_own_frames(self) -> None:
        features = torch.arange(6.0).view(2, 3, 1)
        out = shuffled_stills(features, 50, torch.Generator().manual_seed(1))
        self.assertEqual(list(out.shape), [2, 50, 1])
        self.assertTrue(set(out[0].flatten().tolist()) <= {0.0, 1.0, 2.0} and set(out[1].flatten().tolist()) <= {3.0, 4.0, 5.0})


if __name__ == "__main__":
    unittest.main()
