/** Who publishes what, whichever way it came in: admission by key, one publisher a stream, the daemon's commands and the counts. */
import { type ErrorCode, TruecastError } from "../../pipelines/errors.ts";
import type { IngestLimits } from "./limits.ts";
import type { IngestCommand, IngestEvent, IngestOptions, PublishProtocol, StreamStats } from "./messages.ts";
import { type Publication, createPublication } from "./publication.ts";
import { type KnownStream, createStreamKeys } from "./stream-keys.ts";

/** The connection or session behind a publication. */
export interface PublisherSource {
  readonly sessionId: string;
  /** Address without port. */
  readonly remote: string;
  readonly bytesIn: number;
  /** Tells the client why where that is possible, then ends it; `ended` follows. */
  end(code: ErrorCode, message: string): void;
}

/** Why a publisher is gone; `closed` is its own wish. */
export interface PublisherEnd {
  readonly code: ErrorCode | "closed";
  readonly message: string;
}

export interface PublisherRegister {
  /** The stream that the key opens. @throws TruecastError path-refused, key-unknown */
  streamOf(key: string): KnownStream;
  /** Whether a publisher could be admitted now. @throws TruecastError publisher-exists, capacity-reached */
  check(stream: KnownStream): void;
  /** Ends a stalled publisher in the way. The publication is the source's to feed. @throws TruecastError key-unknown, and as `check` */
  admit(source: PublisherSource, stream: KnownStream, events?: { readonly onKeyframeWanted?: () => void }): Publication;
  /** The source answers to `end` from here on. */
  begun(source: PublisherSource, publication: Publication, protocol: PublishProtocol): void;
  ended(publication: Publication, end: PublisherEnd): void;
  /** A client that never published was turned away. */
  refused(code: ErrorCode, message: string, remote: string): void;
  apply(command: IngestCommand): void;
  /** To be called once a second. */
  takeStats(): { readonly streams: readonly StreamStats[]; readonly refusals: Readonly<Partial<Record<ErrorCode, number>>> };
}

export interface PublisherRegisterOptions {
  readonly streams: IngestOptions["streams"];
  readonly limits: IngestLimits;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  readonly onEvent: (event: IngestEvent) => void;
}

/** @throws TruecastError config-invalid */
export function createPublisherRegister({ streams, limits, clock, onEvent }: PublisherRegisterOptions): PublisherRegister {
  let keys = createStreamKeys(streams);
  const publishers = new Map<string, { readonly source: PublisherSource; readonly publication: Publication }>();
  const refusals: Partial<Record<ErrorCode, number>> = {};
  let refusalReports = 0;

  const count = (code: ErrorCode): void => {
    refusals[code] = (refusals[code] ?? 0) + 1;
  };

  const check = (stream: KnownStream): void => {
    const current = publishers.get(stream.name);
    if (current !== undefined) {
      if (!current.publication.stalled) throw new TruecastError("publisher-exists", `Another publisher holds stream "${stream.name}".`);
    } else if (publishers.size >= limits.maxPublishers) {
      throw new TruecastError("capacity-reached", `${limits.maxPublishers} publishers are connected; no more are admitted.`);
    }
  };

  return {
    streamOf: (key) => keys.streamOf(key),
    check,
    admit(source, stream, events = {}) {
      // Between the answer to a WHIP client and its media, keys may have changed.
      if (!keys.holds(stream)) throw new TruecastError("key-unknown", "The stream or its key is no longer configured.");
      check(stream);
      publishers.get(stream.name)?.source.end("publisher-stalled", "The publisher sent no media and another one took its path.");
      return createPublication({ stream, sessionId: source.sessionId, limits, clock, onEvent, ...events });
    },
    begun(source, publication, protocol) {
      publishers.set(publication.session.stream, { source, publication });
      onEvent({ type: "published", ...publication.session, protocol, videoCodec: null, connectedAt: Date.now(), remote: source.remote });
    },
    ended(publication, { code, message }) {
      if (code !== "closed") count(code);
      publication.close();
      publishers.delete(publication.session.stream);
      onEvent({ type: "publisher-lost", ...publication.session, code, message });
    },
    refused(code, message, remote) {
      count(code);
      refusalReports += 1;
      if (refusalReports <= limits.maxRefusalReportsPerSecond) onEvent({ type: "connection-refused", code, message, remote });
    },
    apply(command) {
      switch (command.type) {
        case "route": {
          const publisher = publishers.get(command.stream);
          if (publisher?.publication.session.sessionId === command.sessionId) publisher.publication.routeTo(command.socketPath);
          else onEvent({ type: "route-lost", stream: command.stream, sessionId: command.sessionId, message: "The session has ended." });
          return;
        }
        case "kick":
          publishers.get(command.stream)?.source.end(command.code, command.message ?? "The publisher was ended by the operator.");
          return;
        case "setKeys":
          try {
            keys = createStreamKeys(command.streams);
          } catch (error) {
            if (!(error instanceof TruecastError)) throw error;
            onEvent({ type: "keys-refused", code: error.code, message: error.message });
            return;
          }
          for (const { source, publication } of publishers.values()) {
            if (!keys.holds(publication.stream)) source.end("key-unknown", "The stream or its key is no longer configured.");
          }
      }
    },
    takeStats() {
      refusalReports = 0;
      return { streams: [...publishers.values()].map(({ source, publication }) => publication.stats(source.bytesIn)), refusals: { ...refusals } };
    },
  };
}
