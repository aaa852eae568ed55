/** Carries one publisher's video as FLV to a Unix socket; a reader that is too slow loses packets up to the next keyframe. */
import { connect } from "node:net";
import Flv from "node-media-server/src/protocol/flv.js";
import type { GopCache } from "./gop-cache.ts";
import type { SessionName } from "./messages.ts";

export interface FlvRouteOptions {
  readonly session: SessionName;
  readonly socketPath: string;
  readonly gop: GopCache;
  readonly routeBufferBytes: number;
  readonly lingerMs: number;
  /** The reader went away or never was there. Not called after `close`. */
  readonly onLost: (message: string) => void;
}

export interface FlvRoute {
  /** Passes a tag that the GOP cache has already taken. Returns false when it was dropped. */
  send(kind: "sequence-header" | "keyframe" | "interframe", tag: Buffer): boolean;
  /** Ends the byte stream after what is buffered. */
  close(): void;
}

export function startFlvRoute(options: FlvRouteOptions): FlvRoute {
  const { session, gop } = options;
  let state: "open" | "skipping" | "closed" = gop.tags.length > 0 || gop.sequenceHeader === null ? "open" : "skipping";
  let sentSequenceHeader: Buffer | null = null;

  const socket = connect({ path: options.socketPath });
  socket.resume(); // Nothing is expected back, but the reader's end is only seen while reading.
  let cause = "The reader closed its socket.";
  socket.on("error", (error: NodeJS.ErrnoException) => {
    cause = `The reader's socket failed (${error.code ?? error.name}).`;
  });
  socket.on("close", () => {
    if (state === "closed") return;
    state = "closed";
    options.onLost(cause);
  });

  socket.write(`${JSON.stringify({ stream: session.stream, sessionId: session.sessionId })}\n`);
  socket.write(Flv.createHeader(false, true));
  const writeSequenceHeader = (): void => {
    if (gop.sequenceHeader === null || gop.sequenceHeader === sentSequenceHeader) return;
    sentSequenceHeader = gop.sequenceHeader;
    socket.write(gop.sequenceHeader);
  };
  writeSequenceHeader();
  for (const tag of gop.tags) socket.write(tag);

  return {
    send(kind, tag) {
      if (state === "closed") return false;
      if (state === "skipping") {
        if (kind === "sequence-header") return true; // Goes out before the keyframe that ends the gap.
        if (kind !== "keyframe" || socket.writableLength > options.routeBufferBytes / 2) return false;
        state = "open";
      } else if (socket.writableLength + tag.length > options.routeBufferBytes) {
        state = "skipping";
        return kind === "sequence-header";
      }
      writeSequenceHeader();
      if (kind !== "sequence-header") socket.write(tag);
      return true;
    },
    close() {
      if (state === "closed") return;
      state = "closed";
      socket.end();
      // A reader that never takes the rest must not keep it in memory.
      socket.setTimeout(options.lingerMs, () => socket.destroy());
    },
  };
}
