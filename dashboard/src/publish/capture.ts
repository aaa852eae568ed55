/** Camera and screen of the browser: opened as the settings say, and listed. */
import { problemOfMedia, PublishError } from "./problem.ts";
import type { PublishSettings } from "./settings.ts";

export interface Camera {
  readonly id: string;
  readonly label: string;
}

/**
 * Sound is not asked for: it is not looked at.
 * @throws PublishError
 */
export async function openCapture({ source, cameraId, size, fps }: PublishSettings): Promise<MediaStream> {
  const picture = { width: { ideal: size.widthPx }, height: { ideal: size.heightPx }, frameRate: { ideal: fps, max: fps } };
  try {
    if (source === "camera") {
      return await navigator.mediaDevices.getUserMedia({ audio: false, video: cameraId === null ? picture : { ...picture, deviceId: { exact: cameraId } } });
    }
    const stream = await navigator.mediaDevices.getDisplayMedia({ audio: false, video: { ...picture, width: { ideal: size.widthPx, max: size.widthPx }, height: { ideal: size.heightPx, max: size.heightPx } } });
    // A call on the screen moves: without this hint the browser sends few, sharp pictures, as for slides.
    for (const track of stream.getVideoTracks()) track.contentHint = "motion";
    return stream;
  } catch (error) {
    throw new PublishError(problemOfMedia(error, source), { cause: error });
  }
}

export function endCapture(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** Their names are known only once a camera was allowed. */
export async function listCameras(): Promise<Camera[]> {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId !== "").map(({ deviceId, label }, index) => ({ id: deviceId, label: label === "" ? `Camera ${index + 1}` : label }));
}
