/** Types of the inner parts of node-media-server 4.4 that the ingest builds on; the package brings none. */

declare module "node-media-server/src/core/avpacket.js" {
  class AVPacket {
    /** RTMP message type: 8 audio, 9 video. */
    codec_type: number;
    dts: number;
    pts: number;
    size: number;
    /** Reused for the next message and longer than `size`. */
    data: Buffer;
  }
  export = AVPacket;
}

declare module "node-media-server/src/core/logger.js" {
  const logger: { log: (message: string, level?: string) => void };
  export = logger;
}

declare module "node-media-server/src/protocol/flv.js" {
  import type AVPacket from "node-media-server/src/core/avpacket.js";

  class Flv {
    static createHeader(hasAudio: boolean, hasVideo: boolean): Buffer;
    /** A complete FLV tag with its trailing size, in a buffer of its own. */
    static createMessage(packet: AVPacket): Buffer;
  }
  export = Flv;
}

declare module "node-media-server/src/protocol/rtmp.js" {
  import type AVPacket from "node-media-server/src/core/avpacket.js";

  interface RtmpPacket {
    header: { fmt: number; cid: number; timestamp: number; length: number; type: number; stream_id: number };
    clock: number;
    payload: Buffer;
    capacity: number;
    bytes: number;
  }

  class Rtmp {
    handshakeState: number;
    parserBuffer: Buffer;
    parserBasicBytes: number;
    parserPacket: RtmpPacket;
    inPackets: Map<number, RtmpPacket>;
    inChunkSize: number;
    outChunkSize: number;
    ackSize: number | undefined;
    flv: unknown;
    streamApp: string;
    /** Undefined before the first publish or play. */
    streamId: number | undefined;
    onOutputCallback: (bytes: Buffer) => void;
    onPacketCallback: (packet: AVPacket) => void;
    parserData(bytes: Buffer): string | null;
    packetParse(): void;
    packetAlloc(): void;
    packetHandler(): void;
    dataHandler(): void;
    sendACK(bytes: number): void;
    sendWindowACK(bytes: number): void;
    setPeerBandwidth(bytes: number, type: number): void;
    setChunkSize(bytes: number): void;
    sendInvokeMessage(streamId: number, command: { cmd: string; transId: number; cmdObj: object | null; info: unknown }): void;
    sendStatusMessage(streamId: number, level: "status" | "error", code: string, description: string): void;
    respondCreateStream(transactionId: number): void;
  }
  namespace Rtmp {
    export type { RtmpPacket };
  }
  export = Rtmp;
}

declare module "node-media-server/src/session/rtmp_session.js" {
  import type { Socket } from "node:net";
  import type AVPacket from "node-media-server/src/core/avpacket.js";
  import type Rtmp from "node-media-server/src/protocol/rtmp.js";

  class RtmpSession {
    constructor(socket: Socket);
    id: string;
    inBytes: number;
    rtmp: Rtmp;
    onData: (bytes: Buffer) => void;
    onOutput: (bytes: Buffer) => void;
    onPacket: (packet: AVPacket) => void;
    /** Puts the callbacks above on the socket and the parser. */
    run: () => void;
  }
  export = RtmpSession;
}
