/** Runs the training code's export, for benchmarks and parity tests: it needs a Python with PyTorch. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
export const trainingDir = fileURLToPath(new URL("training", import.meta.url));

/** The first Python with PyTorch: the one of the environment, else the system's (Debian's python3-torch). */
export async function findPythonWithTorch(): Promise<string | null> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      await run(python, ["-c", "import torch"]);
      return python;
    } catch {
      continue;
    }
  }
  return null;
}

export interface BuildOptions {
  readonly python: string;
  readonly model: string;
  readonly out: string;
  readonly threads: number;
  /** Crops of which PyTorch's own features and scores are written too. */
  readonly referenceFrames?: number;
  /** Also write the LSTM over a whole window as one graph. */
  readonly sequence?: boolean;
}

export async function buildModel({ python, model, out, threads, referenceFrames = 0, sequence = false }: BuildOptions): Promise<void> {
  const args = ["-m", "truecast_training", "export", "--model", model, "--out", out, "--threads", String(threads), "--reference-frames", String(referenceFrames)];
  await run(python, sequence ? [...args, "--sequence"] : args, { env: { ...process.env, PYTHONPATH: trainingDir } });
}
