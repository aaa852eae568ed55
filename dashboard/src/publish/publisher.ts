/** The page's one publisher: camera or screen, the WHIP session, reconnecting. It outlives the views, so that one may look at the stream's page while on air. */
import { backoffMs } from "../live-connection.ts";
import { type Camera, endCapture, listCameras, openCapture } from "./capture.ts";
import { CAMERA_GONE, CONNECTION_LOST, type Problem, problemOfMedia, PublishError, SCREEN_ENDED } from "./problem.ts";
import { DEFAULT_SETTINGS, type PublishSettings } from "./settings.ts";
import { streamEndpoint } from "./whip-endpoint.ts";
import { startWhipSession, type WhipSession } from "./whip-session.ts";

export type Capture =
  | { readonly kind: "off" }
  | { readonly kind: "asking" }
  | { readonly kind: "on"; readonly media: MediaStream };

export type PublishLink =
  /** `problem`: why it is not on air although someone wished it. */
  | { readonly kind: "stopped"; readonly problem: Problem | null }
  | { readonly kind: "connecting"; readonly stream: string }
  | { readonly kind: "on-air"; readonly stream: string; readonly sinceMs: number }
  /** It was on air; trying again by itself at `retryAtMs`, or just now when that has passed. */
  | { readonly kind: "reconnecting"; readonly stream: string; readonly problem: Problem; readonly retryAtMs: number };

export interface PublisherView {
  readonly settings: PublishSettings;
  readonly cameras: readonly Camera[];
  readonly capture: Capture;
  readonly link: PublishLink;
}

export interface Publisher {
  readonly getView: () => PublisherView;
  readonly subscribe: (listener: () => void) => () => void;
  /** Not while connecting or on air. Whatever changes the picture ends the preview. */
  change(changes: Partial<PublishSettings>): void;
  /** Asks the browser for camera or screen and shows it to nobody but the person. */
  preview(): Promise<void>;
  /** @param whipUrl without the stream's name */
  start(whipUrl: string): Promise<void>;
  /** Frees the stream; camera and screen are let go. */
  stop(): void;
}

/** What one start is for, over all its sessions. */
interface Air {
  readonly endpoint: string;
  readonly stream: string;
  readonly media: MediaStream;
  readonly signal: AbortSignal;
}

/** A connection that held this long starts the back-off anew. */
const SETTLED_MS = 10_000;

export function createPublisher(random: () => number = Math.random): Publisher {
  let view: PublisherView = { settings: DEFAULT_SETTINGS, cameras: [], capture: { kind: "off" }, link: { kind: "stopped", problem: null } };
  const listeners = new Set<() => void>();
  /** Ends whatever was under way; a new one for every start and stop. */
  let attempt = new AbortController();
  let session: WhipSession | null = null;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;

  const update = (changes: Partial<PublisherView>): void => {
    view = { ...view, ...changes };
    for (const listener of listeners) listener();
  };

  const releaseCapture = (): void => {
    if (view.capture.kind === "on") endCapture(view.capture.media);
    update({ capture: { kind: "off" } });
  };

  /** @throws PublishError */
  const openWanted = async (signal: AbortSignal): Promise<MediaStream> => {
    if (view.capture.kind === "on") return view.capture.media;
    update({ capture: { kind: "asking" } });
    const { source } = view.settings;
    const media = await openCapture(view.settings);
    if (signal.aborted) {
      endCapture(media);
      signal.throwIfAborted();
    }
    for (const track of media.getVideoTracks()) {
      // Fires when the device or the browser ends it, not when this page does.
      track.addEventListener("ended", () => {
        if (view.capture.kind === "on" && view.capture.media === media) goOffAir(source === "camera" ? CAMERA_GONE : SCREEN_ENDED);
      });
    }
    update({ capture: { kind: "on", media } });
    void listCameras().then((cameras) => update({ cameras }));
    return media;
  };

  const goOffAir = (problem: Problem | null): void => {
    attempt.abort();
    attempt = new AbortController();
    clearTimeout(retryTimer);
    void session?.close();
    session = null;
    releaseCapture();
    update({ link: { kind: "stopped", problem } });
  };

  const begin = (): AbortSignal => {
    attempt.abort();
    attempt = new AbortController();
    return attempt.signal;
  };

  /** One session. @throws PublishError */
  const connect = async (air: Air, tries: number): Promise<void> => {
    const { key, bitrateKbps, fps } = view.settings;
    const startedMs = Date.now();
    const onLost = (): void => {
      // The old session is deleted before the next is asked for, or it would hold the stream against it.
      void session?.close();
      session = null;
      reconnectLater(air, Date.now() - startedMs > SETTLED_MS ? 0 : tries, CONNECTION_LOST);
    };
    session = await startWhipSession({ endpoint: air.endpoint, stream: air.stream, key, media: air.media, maxBitrateKbps: bitrateKbps, maxFps: fps, onLost }, air.signal);
    update({ link: { kind: "on-air", stream: air.stream, sinceMs: Date.now() } });
  };

  const reconnectLater = (air: Air, tries: number, problem: Problem): void => {
    if (air.signal.aborted) return;
    const delayMs = backoffMs(tries, random);
    update({ link: { kind: "reconnecting", stream: air.stream, problem, retryAtMs: Date.now() + delayMs } });
    retryTimer = setTimeout(() => {
      connect(air, tries + 1).catch((error: unknown) => {
        if (air.signal.aborted) return;
        const found = problemOf(error);
        if (found.passing) reconnectLater(air, tries + 1, found);
        else goOffAir(found);
      });
    }, delayMs);
  };

  const problemOf = (error: unknown): Problem => (error instanceof PublishError ? error.problem : problemOfMedia(error, view.settings.source));

  // A tab that is closed, or left for another page, is off air at once.
  window.addEventListener("pagehide", () => goOffAir(null));
  // Undefined in a page that is no secure context, whatever its type says.
  const devices: MediaDevices | undefined = navigator.mediaDevices;
  devices?.addEventListener("devicechange", () => void listCameras().then((cameras) => update({ cameras })));

  return {
    getView: () => view,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    change(changes) {
      if (view.link.kind !== "stopped") return;
      const settings = { ...view.settings, ...changes };
      update({ settings });
      if (["source", "cameraId", "size", "fps"].some((field) => field in changes)) {
        begin();
        releaseCapture();
      }
    },
    async preview() {
      if (view.link.kind !== "stopped") return;
      const signal = begin();
      update({ link: { kind: "stopped", problem: null } });
      try {
        await openWanted(signal);
      } catch (error) {
        if (!signal.aborted) goOffAir(problemOf(error));
      }
    },
    async start(whipUrl) {
      const { stream } = view.settings;
      if (view.link.kind !== "stopped" || stream === null) return;
      const signal = begin();
      update({ link: { kind: "connecting", stream } });
      try {
        await connect({ endpoint: streamEndpoint(whipUrl, stream), stream, media: await openWanted(signal), signal }, 0);
      } catch (error) {
        if (!signal.aborted) failedStart(problemOf(error));
      }
    },
    stop: () => goOffAir(null),
  };

  /** The preview stays, so that a key can be mended without choosing the screen again. */
  function failedStart(problem: Problem): void {
    attempt.abort();
    if (view.capture.kind === "asking") update({ capture: { kind: "off" } });
    update({ link: { kind: "stopped", problem } });
  }
}
