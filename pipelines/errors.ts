/** The one error class of Truecast and the one table of its codes: docs, metric labels and tests read this table. */

export const ERROR_CODES = {
  // Configuration and start-up.
  "config-invalid": "The configuration does not match its schema.",
  "port-in-use": "A port that should be listened on is taken by another process.",
  "data-in-use": "The data folder belongs to another daemon that is running.",
  "setup-incomplete": "A program or file that Truecast needs is missing.",
  // Publishing.
  "key-unknown": "The stream key matches no configured stream.",
  "path-refused": "The application or stream name does not match the allowed pattern.",
  "publisher-exists": "Another publisher holds this stream path.",
  "publisher-stalled": "The publisher sends no media but keeps its connection open.",
  "protocol-violation": "The client sent bytes that are no valid RTMP or WebRTC, or went past a cap.",
  "play-refused": "Playing is not offered; this port takes publishers only.",
  "codec-unsupported": "The video codec cannot be decoded here.",
  "no-video": "The publisher sends no video.",
  "sdp-malformed": "The SDP of a WHIP client cannot be read.",
  "offer-refused": "The offer of a WHIP client asks for something that is not taken here.",
  "peer-lost": "A WebRTC publisher did not connect in time, or no longer answers.",
  "capacity-reached": "No more are admitted: the configured cap on streams, or the one on connections, is reached.",
  "ingest-restarted": "The ingest process ended unexpectedly and was started again.",
  // Pulling.
  "source-invalid": "The URL of a source, or an option of it, cannot be used.",
  "address-refused": "An address leads to where nothing may be fetched from.",
  unreachable: "The other side could not be reached, answered with an error, or stopped sending.",
  "playlist-invalid": "A playlist or manifest cannot be used.",
  "source-ended": "The source ended by itself.",
  "pull-restarted": "The pull process ended unexpectedly and was started again.",
  // Decoding.
  "input-not-found": "The file does not exist or cannot be read.",
  "input-empty": "The file holds no bytes.",
  "input-not-media": "The input holds no video that ffmpeg can decode.",
  "manifest-invalid": "The list of clips is not a valid manifest.",
  "picture-size-refused": "The picture is too small or too large to analyse.",
  "decoder-stalled": "The decoder delivered no frame within its time.",
  "decoder-exited": "The decoder ended unexpectedly.",
  "decoder-storm": "The decoder was restarted too often and waits before the next try.",
  // Models and inference.
  "model-invalid": "The model folder does not match its manifest.",
  "model-hash-mismatch": "A graph's SHA-256 differs from the manifest's.",
  "model-not-found": "There is no model folder with this name.",
  "provider-unavailable": "The requested inference provider does not load on this machine.",
  "inference-unavailable": "The inference process is not running.",
  "inference-failed": "The inference process answered with an error.",
  "overload": "Work was left out because the machine is past its capacity.",
  // Interfaces and store.
  "not-found": "There is no such resource.",
  "request-invalid": "The request does not match its schema.",
  conflict: "The request contradicts what is there.",
  "unauthorized": "A valid token is required.",
  "forbidden": "The Origin or Host of the request is not allowed, or it lacks the token against forged requests.",
  "role-insufficient": "The token is valid but its role or its streams do not suffice.",
  "too-many-attempts": "Too many wrong tokens came from one address, or too many sessions were begun with one token.",
  "delivery-failed": "A receiver of alert events answered that it did not take one.",
  "store-failed": "The alert store could not commit.",
  "evidence-failed": "Evidence could not be written, read or proved.",
  "interrupted": "The command was ended by a signal before it was done.",
  "internal": "A defect in Truecast.",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An error a user or operator may meet. `code` is stable; `message` names what and where. */
export class TruecastError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "TruecastError";
    this.code = code;
  }
}

/** The code of a thrown value; anything that is not a TruecastError is a defect. */
export function errorCodeOf(error: unknown): ErrorCode {
  return error instanceof TruecastError ? error.code : "internal";
}
