/** What a fuzz case is: one attack of its own, the same bytes for the same seed and number, against a running daemon. */
import type { Random } from "../seeded-random.ts";

/** Where the daemon under attack listens, on loopback. */
export interface FuzzTarget {
  readonly rtmpPort: number;
  readonly whipPort: number;
  readonly udpPort: number;
  readonly httpPort: number;
}

/** A stream that one case at a time has for itself. All keys have one length, so that recorded bytes fit any of them. */
export interface FuzzStream {
  readonly name: string;
  readonly key: string;
}

export interface CaseContext {
  readonly target: FuzzTarget;
  readonly stream: FuzzStream;
  readonly random: Random;
}

export interface FuzzFamily {
  readonly name: string;
  /** Share of the inputs, relative to the other families. */
  readonly weight: number;
  /** Mutated messages, datagrams, frames or requests that one case sends. */
  readonly inputs: number;
  /** It opens WHIP sessions: one address may have few of them at a time. */
  readonly holdsSession?: true;
  /** Resolves when the daemon has dealt with all of them. Rejects with NotServed when it did not. */
  run(context: CaseContext): Promise<void>;
}

/** The daemon did not do for a well-behaved part of a case what it must always do. */
export class NotServed extends Error {
  override readonly name = "NotServed";
}
