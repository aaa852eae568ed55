/**
 * Groups of WebSocket clients by the streams that they may see. Each group has numbers and a memory of its own, so that
 * neither a gap nor a count tells a client of what it may not see, and coming back works for it as for everyone.
 */
import { randomUUID } from "node:crypto";
import type { HttpLimits } from "./limits.ts";
import { createMessageRing, type MessageRing } from "./ring.ts";
import type { LiveUpdate } from "./source.ts";

export interface Channel<C> {
  /** Names its numbers; those of another channel or run mean nothing here. */
  readonly run: string;
  /** Null: all. */
  readonly streams: readonly string[] | null;
  readonly ring: MessageRing;
  readonly clients: Set<C>;
}

export interface Channels<C> {
  /** The one that sees all; always there. */
  readonly all: Channel<C>;
  /** Null when there is no room for a further group. */
  of(streams: readonly string[] | null): Channel<C> | null;
  hasRoom(streams: readonly string[] | null): boolean;
  /** Those that may hear of it. */
  hearing(update: LiveUpdate): Channel<C>[];
}

export function createChannels<C>(limits: Pick<HttpLimits, "maxRingMessages" | "maxRingBytes" | "maxScopes" | "maxScopeRingBytes">): Channels<C> {
  const open = (streams: readonly string[] | null, maxBytes: number): Channel<C> => ({
    run: randomUUID(),
    streams,
    ring: createMessageRing({ maxMessages: limits.maxRingMessages, maxBytes }),
    clients: new Set(),
  });
  const all = open(null, limits.maxRingBytes);
  /** In order of their last use. */
  const scoped = new Map<string, Channel<C>>();
  const keyOf = (streams: readonly string[]): string => [...streams].toSorted().join(",");
  const oldestEmpty = (): string | undefined => [...scoped].find(([, { clients }]) => clients.size === 0)?.[0];

  return {
    all,
    of(streams) {
      if (streams === null) return all;
      const key = keyOf(streams);
      let channel = scoped.get(key);
      if (channel === undefined) {
        if (scoped.size >= limits.maxScopes) {
          const empty = oldestEmpty();
          if (empty === undefined) return null;
          scoped.delete(empty);
        }
        channel = open(streams, limits.maxScopeRingBytes);
      }
      scoped.delete(key);
      scoped.set(key, channel);
      return channel;
    },
    hasRoom: (streams) => streams === null || scoped.has(keyOf(streams)) || scoped.size < limits.maxScopes || oldestEmpty() !== undefined,
    hearing(update) {
      const stream = streamOf(update);
      return [all, ...scoped.values()].filter(({ streams }) => streams === null || stream === null || streams.includes(stream));
    },
  };
}

/** The stream that an update is about; null for one that everybody may hear. */
function streamOf(update: LiveUpdate): string | null {
  switch (update.type) {
    case "stream":
      return update.stream.name;
    case "stream-removed":
      return update.name;
    case "score":
      return update.stream;
    case "alert":
      return update.alert.stream;
    case "model":
    case "system":
      return null;
  }
}
