/** Small evidence for tests: an archive in a fresh folder, and incidents sealed into it. */
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { type Archive, openArchive, type SealedIncident } from "../archive.ts";
import { sha256Of, writeDurably } from "../durable-files.ts";
import type { EvidenceKind } from "../log-record.ts";
import { FORMAT, type Manifest, MANIFEST_FILE } from "../manifest.ts";

export const quietLog = pino({ level: "silent" });

export async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-evidence-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function freshArchive(folder?: string): Promise<{ readonly archive: Archive; readonly root: string }> {
  const root = folder ?? (await freshFolder());
  const archive = await openArchive({ folder: root, version: "0.0.0-test", log: quietLog });
  onTestFinished(() => archive.close());
  return { archive, root };
}

export interface Sample {
  readonly stream?: string;
  readonly firedAt?: number;
  readonly incident?: string;
  readonly files?: Readonly<Record<string, { readonly kind: EvidenceKind; readonly content: string }>>;
}

const FILES: NonNullable<Sample["files"]> = {
  "clip.mp4": { kind: "clip", content: "the clip's bytes" },
  "crops.jpg": { kind: "crops", content: "the faces' bytes" },
  "scores.json": { kind: "verdict", content: "[0.99]" },
};

/** A finished folder that waits for its seal. */
export async function stage(root: string, { stream = "studio", firedAt = Date.now(), incident = randomUUID(), files = FILES }: Sample = {}): Promise<{ readonly staging: string; readonly manifest: Manifest }> {
  const staging = join(root, "recording", incident, "finished");
  await mkdir(staging, { recursive: true });
  for (const [name, { content }] of Object.entries(files)) await writeFile(join(staging, name), content);
  const manifest: Manifest = {
    format: FORMAT,
    incident,
    stream,
    complete: true,
    problems: [],
    firedAt,
    endedAt: firedAt + 1_000,
    sealedAt: firedAt + 2_000,
    version: "0.0.0-test",
    clips: [],
    files: Object.entries(files).map(([name, { kind, content }]) => ({ name, kind, mediaType: "text/plain", description: "", bytes: Buffer.byteLength(content), sha256: sha256Of(content) })),
  };
  await writeDurably(join(staging, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  return { staging, manifest };
}

export async function sealOne(archive: Archive, root: string, sample: Sample = {}): Promise<SealedIncident> {
  const { staging, manifest } = await stage(root, sample);
  const sealed = await archive.seal(staging, manifest);
  await rm(join(root, "recording", manifest.incident), { recursive: true, force: true });
  return sealed;
}
