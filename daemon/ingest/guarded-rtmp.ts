/**
 * node-media-server's RTMP parser with every client-controlled length, count and value checked before it is used.
 * What breaks a rule throws a TruecastError (protocol-violation); the connection turns that into its end.
 */
import Rtmp from "node-media-server/src/protocol/rtmp.js";
import { TruecastError } from "../../pipelines/errors.ts";
import { type AmfObject, type AmfValue, readAmf0 } from "./amf0.ts";
import type { IngestLimits } from "./limits.ts";

/** What a client's commands ask for. Strings are the client's own bytes: compare them, never print them. */
export interface RtmpRequests {
  connect(request: { readonly app: string; readonly transactionId: number; readonly properties: AmfObject }): void;
  publish(request: { readonly name: string }): void;
  play(): void;
  unpublish(): void;
}

const MESSAGE = { setChunkSize: 1, abort: 2, windowAck: 5, peerBandwidth: 6, audio: 8, video: 9, flexCommand: 17, command: 20 } as const;
/** RTMP 1.0 section 5.4.1: a message is at most this long, so a larger chunk means the same. */
const MAX_CHUNK_BYTES = 0xff_ff_ff;
/** State of node-media-server's handshake once C2 was read. */
const HANDSHAKE_DONE = 3;

interface GuardedRtmpOptions {
  readonly limits: IngestLimits;
  readonly requests: RtmpRequests;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

export class GuardedRtmp extends Rtmp {
  readonly #limits: IngestLimits;
  readonly #requests: RtmpRequests;
  readonly #clock: () => number;
  #publishing = false;
  #bufferedBytes = 0;
  #commands = 0;
  #streamsCreated = 0;
  #messages = 0;
  #secondStartMs = 0;
  #messagesThisSecond = 0;

  constructor(options: GuardedRtmpOptions) {
    super();
    this.#limits = options.limits;
    this.#requests = options.requests;
    this.#clock = options.clock;
    this.flv = null; // One megabyte a connection that a publisher's session never uses.
  }

  get handshakeDone(): boolean {
    return this.handshakeState === HANDSHAKE_DONE;
  }

  /** Media is accepted from here on. */
  beginPublishing(): void {
    this.#publishing = true;
  }

  override packetParse(): void {
    const format = (this.parserBuffer[0] ?? 0) >> 6;
    // The inherited arithmetic maps several ids of the three-byte form to one buffer; no publisher uses that form.
    if (this.parserBasicBytes === 3) throw violation("Chunk stream ids above 319 are not offered.");
    const id = this.parserBasicBytes === 2 ? 64 + (this.parserBuffer[1] ?? 0) : (this.parserBuffer[0] ?? 0) & 0x3f;
    const packet = this.inPackets.get(id);
    if (packet === undefined) {
      if (format > 1) throw violation("A chunk stream begins without a length.");
      if (this.inPackets.size >= this.#limits.maxChunkStreams) throw violation("Too many chunk streams.");
    } else if (packet.bytes > 0 && format !== 3) {
      // A new length in the middle of a message would move the inherited parser backwards over its input.
      throw violation("A message is interrupted by another header on its chunk stream.");
    }
    super.packetParse();
  }

  override packetAlloc(): void {
    const packet = this.parserPacket;
    const { type, length } = packet.header;
    // RTMP timestamps wrap at 32 bits (section 5.3.1.2.1); the inherited parser would drop everything after that.
    packet.clock %= 2 ** 32;
    if (length > this.#maxLength(type)) throw violation(`A message of type ${type} declares ${length} bytes.`);
    // The inherited allocation adds this much slack.
    if (length > packet.capacity) this.#bufferedBytes += length + 1_024 - packet.capacity;
    if (this.#bufferedBytes > (this.#publishing ? this.#limits.maxBufferedBytes : this.#limits.maxBufferedBytesBeforePublish)) throw violation("The chunk streams declare too many bytes together.");
    super.packetAlloc();
  }

  override packetHandler(): void {
    this.#countMessage();
    const { header, payload } = this.parserPacket;
    switch (header.type) {
      case MESSAGE.setChunkSize: {
        if (header.length < 4) throw violation("Set Chunk Size is too short.");
        const size = payload.readUInt32BE(0);
        if (size < 1 || size > 0x7f_ff_ff_ff) throw violation("Set Chunk Size has a value that no chunk can have.");
        this.inChunkSize = Math.min(size, MAX_CHUNK_BYTES);
        return;
      }
      case MESSAGE.abort: {
        if (header.length < 4) throw violation("Abort Message is too short.");
        const packet = this.inPackets.get(payload.readUInt32BE(0));
        if (packet !== undefined) packet.bytes = 0;
        return;
      }
      case MESSAGE.windowAck:
        if (header.length < 4) throw violation("Window Acknowledgement Size is too short.");
        this.ackSize = payload.readUInt32BE(0);
        return;
      case MESSAGE.command:
        this.#command(payload.subarray(0, header.length));
        return;
      case MESSAGE.flexCommand:
        // AMF3 commands begin with one marker byte and go on in AMF0.
        this.#command(payload.subarray(1, header.length));
        return;
      case MESSAGE.audio:
      case MESSAGE.video:
        if (!this.#publishing) throw violation("Media came before an accepted publish.");
        if (header.length > 0) this.dataHandler();
        return;
      default:
        // Acknowledgements, pings, metadata, captions: nothing here needs them, and what is not read cannot do harm.
        return;
    }
  }

  /** Answers `connect` with success. */
  acceptConnect({ app, transactionId, capabilities }: { readonly app: string; readonly transactionId: number; readonly capabilities: Readonly<Record<string, unknown>> }): void {
    this.streamApp = app;
    this.sendWindowACK(5_000_000);
    this.setPeerBandwidth(5_000_000, 2);
    this.setChunkSize(this.outChunkSize);
    this.sendInvokeMessage(0, {
      cmd: "_result",
      transId: transactionId,
      cmdObj: { fmsVer: "FMS/3,0,1,123", capabilities: 31, ...capabilities },
      info: { level: "status", code: "NetConnection.Connect.Success", description: "Connection succeeded.", objectEncoding: 0 },
    });
  }

  rejectConnect(transactionId: number, description: string): void {
    this.sendInvokeMessage(0, { cmd: "_error", transId: transactionId, cmdObj: null, info: { level: "error", code: "NetConnection.Connect.Rejected", description } });
  }

  #countMessage(): void {
    this.#messages += 1;
    if (!this.#publishing && this.#messages > this.#limits.maxMessagesBeforePublish) throw violation("Too many messages without a publish.");
    const nowMs = this.#clock();
    if (nowMs - this.#secondStartMs >= 1_000) {
      this.#secondStartMs = nowMs;
      this.#messagesThisSecond = 0;
    }
    this.#messagesThisSecond += 1;
    if (this.#messagesThisSecond > this.#limits.maxMessagesPerSecond) throw violation("Too many messages a second; publish in real time.");
  }

  #maxLength(type: number): number {
    if (type >= 1 && type <= MESSAGE.peerBandwidth) return this.#limits.maxControlBytes;
    if (type === MESSAGE.command || type === MESSAGE.flexCommand) return this.#limits.maxCommandBytes;
    if (!this.#publishing) return this.#limits.maxCommandBytes;
    if (type === MESSAGE.video) return this.#limits.maxVideoPacketBytes;
    return type === MESSAGE.audio ? this.#limits.maxAudioPacketBytes : this.#limits.maxDataBytes;
  }

  #command(bytes: Buffer): void {
    this.#commands += 1;
    if (this.#commands > this.#limits.maxCommands) throw violation("Too many commands.");
    const [name, transactionId, first, second] = readAmf0(bytes, this.#limits);
    if (typeof name !== "string") throw violation("A command has no name.");
    switch (name) {
      case "connect":
        if (!(first instanceof Map)) throw violation("A command has no application.");
        this.#requests.connect({ app: requiredText(first.get("app"), "application"), transactionId: requiredNumber(transactionId), properties: first });
        return;
      case "createStream":
        this.#streamsCreated += 1;
        if (this.#streamsCreated > 8) throw violation("Too many message streams.");
        this.respondCreateStream(requiredNumber(transactionId));
        return;
      case "publish":
        this.streamId = this.parserPacket.header.stream_id;
        this.#requests.publish({ name: requiredText(second, "stream name") });
        return;
      case "play":
      case "play2":
        this.streamId = this.parserPacket.header.stream_id;
        this.#requests.play();
        return;
      case "FCUnpublish":
      case "deleteStream":
      case "closeStream":
        this.#requests.unpublish();
        return;
      default:
        // releaseStream, FCPublish, _checkbw and the like need no answer.
        return;
    }
  }
}

function requiredText(value: AmfValue, what: string): string {
  if (typeof value !== "string") throw violation(`A command has no ${what}.`);
  return value;
}

function requiredNumber(value: AmfValue): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw violation("A command has no transaction id.");
  return value;
}

function violation(message: string): TruecastError {
  return new TruecastError("protocol-violation", message);
}
