import { expect, test } from "vitest";
import { FaceScoring, type FaceFollower } from "./face-scoring.ts";
import { TruecastError } from "./errors.ts";
import type { CropReply, CropRequest, CropScorer, DiscardReason, Frame, HorizonScore, ModelInfo } from "./types.ts";

const model: ModelInfo = {
  name: "test",
  kind: "cnn-lstm",
  trained: true,
  sha256: "0",
  inputSizePx: 2,
  cropMargin: 1.3,
  window: 100,
  hop: 10,
  bands: { uncertain: 0.35, suspicious: 0.6, manipulated: 0.8, hysteresis: 0.05 },
};
const box = { x: 0, y: 0, width: 10, height: 10 };
const ok: CropReply = { kind: "ok", scores: [], queueMs: 1, inferenceMs: 2, batchSize: 1 };

function frame(slot: number): Frame {
  return { ptsMs: slot * 100, widthPx: 16, heightPx: 16, rgb: new Uint8Array(0), decodedAtMs: performance.now() };
}

/** One face in every frame, until the slot at which its track ends. */
function oneFace(endsAt = Number.POSITIVE_INFINITY): FaceFollower {
  return {
    async process({ ptsMs }) {
      const gone = ptsMs / 100 >= endsAt;
      const face = { trackId: 1, box, detected: true, crop: { kind: "ok", pixels: new Uint8Array(12), sharpness: 1 } } as const;
      return { faces: gone ? [] : [face], ended: gone ? [1] : [], refused: [], detected: true, timings: { detectMs: 0, trackMs: 0, cropMs: 0 } };
    },
  };
}

function create(answer: (request: CropRequest) => Promise<CropReply>, { mode = "live", faces = oneFace() }: { mode?: "live" | "recording"; faces?: FaceFollower } = {}) {
  const requests: CropRequest[] = [];
  const ended: string[] = [];
  const discarded: DiscardReason[] = [];
  const scores: HorizonScore[] = [];
  const scorer: CropScorer = {
    submit(request) {
      requests.push(request);
      return answer(request);
    },
    endTrack: (track) => ended.push(track),
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const scoring = new FaceScoring({ stream: "studio", model, faces, scorer, mode, onScore: ({ score }) => scores.push(score), onTrackEnded: () => undefined, onDiscarded: (reason) => discarded.push(reason) });
  return { scoring, requests, ended, discarded, scores };
}

test("every crop goes to the model under its stream's and track's name, with its slot", async () => {
  const { scoring, requests } = create(async () => ok);
  for (let slot = 0; slot < 3; slot++) await scoring.process(frame(slot));
  await scoring.flush();
  expect(requests.map(({ track, stream, slot }) => [track, stream, slot])).toEqual([["studio#1", "studio", 0], ["studio#1", "studio", 1], ["studio#1", "studio", 2]]);
});

test("a score becomes the verdict of the face and of the stream", async () => {
  const { scoring } = create(async () => ({ ...ok, scores: [{ frames: 100, score: 0.95, coverage: 1 }] }));
  await scoring.process(frame(0));
  await scoring.flush();
  expect(scoring.view()).toMatchObject({ faces: [{ trackId: 1, verdict: { kind: "manipulated" } }], verdict: { kind: "manipulated", score: 0.95 } });
});

test("at reduced sampling only the due slots are scored, and the model is told which are due", async () => {
  const { scoring, requests, discarded } = create(async () => ok);
  scoring.samplingDivisor = 4;
  for (let slot = 0; slot < 8; slot++) await scoring.process(frame(slot));
  expect(requests.map(({ slot, divisor }) => [slot, divisor])).toEqual([[0, 4], [4, 4]]);
  expect(discarded).toEqual(Array.from({ length: 6 }, () => "sampling-reduced"));
});

test("live, a model that is away costs its crops and makes faces unscored until it answers again", async () => {
  let away = true;
  const { scoring, discarded } = create(async () => {
    if (away) throw new TruecastError("inference-unavailable", "away");
    return { ...ok, scores: [{ frames: 100, score: 0.1, coverage: 1 }] };
  });
  await scoring.process(frame(0));
  await scoring.flush();
  expect(discarded).toEqual(["inference-unavailable"]);
  expect(scoring.view().verdict).toMatchObject({ kind: "unscored", reason: "inference-unavailable" });
  away = false;
  await scoring.process(frame(1));
  await scoring.flush();
  expect(scoring.view().verdict).toMatchObject({ kind: "authentic" });
});

test("live, a slow model holds up no frame", async () => {
  const { scoring, requests } = create(() => new Promise(() => undefined));
  for (let slot = 0; slot < 20; slot++) await scoring.process(frame(slot));
  expect(requests).toHaveLength(20);
});

test("a score that comes after the end of its track is dropped", async () => {
  const reply = Promise.withResolvers<CropReply>();
  const { scoring, scores } = create(() => reply.promise, { faces: oneFace(1) });
  await scoring.process(frame(0));
  const done = scoring.flush();
  await scoring.process(frame(1));
  reply.resolve({ ...ok, scores: [{ frames: 100, score: 0.99, coverage: 1 }] });
  await done;
  expect(scores).toEqual([]);
});

test("a recording waits for the model, two crops of a face ahead, and ends with its first error", async () => {
  const waiting: PromiseWithResolvers<CropReply>[] = [];
  const { scoring, requests } = create(
    () => {
      const reply = Promise.withResolvers<CropReply>();
      waiting.push(reply);
      return reply.promise;
    },
    { mode: "recording" },
  );
  await scoring.process(frame(0));
  await scoring.process(frame(1));
  const third = scoring.process(frame(2));
  await Promise.resolve();
  expect(requests).toHaveLength(2);
  waiting[0]?.reject(new TruecastError("inference-failed", "broken"));
  await expect(third).rejects.toMatchObject({ code: "inference-failed" });
});

test("a track that ends is ended at the model too, once", async () => {
  const { scoring, ended } = create(async () => ok, { faces: oneFace(2) });
  for (let slot = 0; slot < 4; slot++) await scoring.process(frame(slot));
  scoring.close();
  expect(ended).toEqual(["studio#1"]);
  expect(scoring.view()).toEqual({ faces: [], verdict: { kind: "unscored", reason: "no-face", score: null } });
});
