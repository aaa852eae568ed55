/** What keeps a page from publishing, in words for the person in front of it, and whether trying again can help. Pure. */

export interface Problem {
  readonly title: string;
  readonly advice: string;
  /** Whether it may pass by itself, so that a publisher which was on air tries again. */
  readonly passing: boolean;
}

/** Carries a problem through code that throws. */
export class PublishError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.title, options);
    this.name = "PublishError";
    this.problem = problem;
  }
}

export type Source = "camera" | "screen";

const lasting = (title: string, advice: string): Problem => ({ title, advice, passing: false });
const passing = (title: string, advice: string): Problem => ({ title, advice, passing: true });

export const CAMERA_GONE = lasting("The camera is gone.", "It was unplugged, or its permission was taken back. Plug it in or choose another one, then start again.");
export const SCREEN_ENDED = lasting("Screen sharing was ended.", "The browser's own bar ended it. Start again to share a screen, window or tab.");
export const CONNECTION_LOST = passing("The connection was lost.", "The network changed, or Truecast was restarted.");
export const MEDIA_BLOCKED = passing("Video does not get through.", "Truecast answered, but the UDP packets of the video do not arrive. Check the firewall for whip.udpPort, and whip.advertisedAddresses behind NAT.");

/** Of a getUserMedia or getDisplayMedia that failed, by the name of its error (Media Capture and Streams, 10.2). */
export function problemOfMedia(error: unknown, source: Source): Problem {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  const camera = source === "camera";
  switch (name) {
    case "NotAllowedError":
      return camera
        ? lasting("The browser may not use the camera.", "Allow the camera for this page at the icon beside the address, and in the system's privacy settings, then try again.")
        : lasting("No screen was chosen.", "Choose a screen, a window or a tab in the browser's dialog. On macOS the browser also needs the permission to record the screen.");
    case "NotFoundError":
      return camera ? lasting("No camera was found.", "Plug one in, or share a screen instead.") : lasting("There is no screen to share.", "This browser finds no screen, window or tab.");
    case "NotReadableError":
    case "AbortError":
      return lasting(camera ? "The camera does not start." : "The screen cannot be read.", camera ? "Another program may be using it. Close that one, or choose another camera." : "The system refuses it. Choose another window, or restart the browser.");
    case "OverconstrainedError":
      return lasting("This camera is gone or cannot do that.", "Choose another camera, or a smaller picture.");
    case "NotSupportedError":
    case "TypeError":
      return lasting(camera ? "This browser has no camera." : "This browser cannot share a screen.", camera ? "Use another browser, or OBS." : "Phones cannot. Use a computer, or the camera.");
    default:
      return lasting(camera ? "The camera does not start." : "The screen cannot be shared.", `The browser says: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export interface Refusal {
  readonly status: number;
  /** Of the problem details; empty when the answer held none. */
  readonly code: string;
  readonly detail: string;
  readonly stream: string;
}

/** Of an answer to POST that is no 201, by its status and code. */
export function problemOfRefusal({ status, code, detail, stream }: Refusal): Problem {
  switch (code) {
    case "unauthorized":
    case "key-unknown":
      return lasting("The stream key is wrong.", `It does not open ${stream}. Copy it again, whole, from where Truecast printed it or from its configuration; every stream has its own.`);
    case "publisher-exists":
      return passing("Someone else is publishing to this stream.", `${stream} takes one publisher at a time. Stop the other one (OBS, ffmpeg, another tab), or choose another stream.`);
    case "codec-unsupported":
      return lasting("This browser's video is not supported.", "The browser offers none of the codecs that Truecast takes over WebRTC; whip.codecs may leave some out. Use another browser, or OBS.");
    case "capacity-reached":
      return passing("Truecast is full.", `${detail} Try again when another stream has ended.`);
    case "not-found":
      return lasting(`There is no stream ${stream} to publish to.`, "It may have been renamed. Choose another one.");
    case "offer-refused":
    case "sdp-malformed":
      return lasting("Truecast does not understand this browser.", `${detail} Use another browser, or OBS.`);
    default:
      return status >= 500
        ? passing("Truecast cannot take the stream just now.", `It answered ${status}${detail === "" ? "." : `: ${detail}`}`)
        : lasting("Truecast refuses the stream.", `It answered ${status}${detail === "" ? "." : `: ${detail}`} If a proxy stands before it, check that it passes /whip on.`);
  }
}

/** A script is not told whether nobody listened, the name is unknown or a policy forbade it. */
export function problemOfUnreachable(endpoint: string): Problem {
  return passing("Truecast cannot be reached for publishing.", `Nothing answers at ${new URL(endpoint).origin}. Check that the daemon runs and that no firewall closes whip.port; if the daemon was restarted with another configuration, reload this page.`);
}
