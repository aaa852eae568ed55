"""The networks against torchvision's, against their live step, and against the limits they were designed to."""

import unittest

import torch
from torch import nn

from truecast_training.calibrate import synthetic_crops
from truecast_training.export import untrained_model
from truecast_training.graphs import HorizonStep, Projection
from truecast_training.networks import ResNeXt101, build_model, macs_of, spec_of

try:
    from torchvision.models import resnext101_32x8d
except ImportError:
    resnext101_32x8d = None


class Networks(unittest.TestCase):
    def test_edge_keeps_to_its_budget(self) -> None:
        model = build_model("edge")
        self.assertLessEqual(macs_of(model, spec_of("edge").size_px), 600_000_000)
        self.assertLessEqual(4 * sum(p.numel() for p in model.parameters()), 30_000_000)

    @unittest.skipIf(resnext101_32x8d is None, "torchvision is missing")
    def test_resnext101_loads_the_state_dict_of_torchvision_and_computes_the_same(self) -> None:
        theirs = resnext101_32x8d()
        ours = ResNeXt101()
        ours.load_state_dict({name: value for name, value in theirs.state_dict().items() if not name.startswith("fc.")})
        theirs.fc = nn.Identity()
        picture = torch.randn(1, 3, 112, 112)
        with torch.no_grad():
            torch.testing.assert_close(ours.eval()(picture), theirs.eval()(picture), rtol=1e-4, atol=1e-5)

    def test_the_live_step_gives_what_the_lstm_gives(self) -> None:
        model = untrained_model("edge")
        step, project = HorizonStep(model).eval(), Projection(model).eval()
        features = torch.randn(2, 12, model.lstm.input_size)
        h = c = torch.zeros(2, 10, model.lstm.hidden_size)
        with torch.no_grad():
            for t in range(features.shape[1]):
                h, c, score = step(project(features[:, t]), h, c)
            expected = torch.softmax(model.classify(features), 1)[:, 1]
        for state in range(10):
            torch.testing.assert_close(score[:, state], expected, rtol=0, atol=1e-6)

    def test_the_order_of_the_frames_changes_the_score_and_the_batch_does_not(self) -> None:
        model = untrained_model("edge")
        crops = synthetic_crops(12, spec_of("edge").size_px, torch.Generator().manual_seed(3))
        crops[:6] //= 4  # A clip that goes from dark to bright.
        with torch.no_grad():
            both = torch.softmax(model(torch.stack((crops, crops.flip(0)))), 1)[:, 1]
            alone = torch.softmax(model(crops.unsqueeze(0)), 1)[0, 1]
        self.assertGreater(abs(float(both[0] - both[1])), 1e-3, "reversed frames must change the score")
        self.assertAlmostEqual(float(both[0]), float(alone), places=5)

    def test_weights_are_the_same_at_every_call(self) -> None:
        first, second = untrained_model("edge").state_dict(), untrained_model("edge").state_dict()
        for name, value in first.items():
            self.assertTrue(torch.equal(value, second[name]), name)


if __name__ == "__main__":
    unittest.main()
