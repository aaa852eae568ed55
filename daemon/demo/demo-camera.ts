/** The ffmpeg filters that turn a still photograph into a hand-held camera's picture, looping without a seam. */

export interface CameraOptions {
  /** Size of the still that the camera moves over. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly outWidthPx: number;
  readonly outHeightPx: number;
  readonly fps: number;
  readonly loopSeconds: number;
  /** Radians added to each wave. */
  readonly phase: number;
}

/** Filters for one chain: camera motion, light, noise of the sensor. All waves have whole periods in a loop. */
export function cameraFilters(options: CameraOptions): string {
  const { widthPx: w, heightPx: h, phase } = options;
  const loopFrames = options.loopSeconds * options.fps;
  const wave = (variable: string, periods: number, amplitude: number, offset: number): string =>
    `${amplitude}*sin(2*PI*${periods}*${variable}+${(phase + offset).toFixed(2)})`;
  // `on` counts the filter's frames, `t` is seconds.
  const loopOfFrame = `on/${loopFrames}`;
  const zoom = `(1.16+${wave(loopOfFrame, 1, 0.045, 0)}+${wave(loopOfFrame, 3, 0.015, 1)})`;
  const x = `${w / 2}+${wave(loopOfFrame, 2, w * 0.022, 0.5)}+${wave(loopOfFrame, 5, w * 0.006, 2)}`;
  const y = `${h / 2}+${wave(loopOfFrame, 3, h * 0.018, 1.5)}+${wave(loopOfFrame, 7, h * 0.005, 0)}`;
  const angle = `(${wave(loopOfFrame, 2, 0.014, 2.5)}+${wave(loopOfFrame, 5, 0.005, 1)})`;
  // The source's corners for each corner of the picture: a rectangle turned about its centre and scaled by 1/zoom.
  const corner = (sx: number, sy: number): [string, string] => [
    `${x}+(${(sx * w) / 2}*cos(${angle})-${(sy * h) / 2}*sin(${angle}))/${zoom}`,
    `${y}+(${(sx * w) / 2}*sin(${angle})+${(sy * h) / 2}*cos(${angle}))/${zoom}`,
  ];
  const corners = [corner(-1, -1), corner(1, -1), corner(-1, 1), corner(1, 1)].flatMap(([cx, cy], i) => [`x${i}='${cx}'`, `y${i}='${cy}'`]);
  const loopOfTime = `t/${options.loopSeconds}`;
  return [
    `perspective=${corners.join(":")}:eval=frame:interpolation=linear`,
    `scale=${options.outWidthPx}:${options.outHeightPx}:flags=bilinear`,
    `eq=eval=frame:brightness='${wave(loopOfTime, 3, 0.025, 0)}+${wave(loopOfTime, 11, 0.008, 1)}':contrast='1+${wave(loopOfTime, 2, 0.04, 2)}':saturation='1+${wave(loopOfTime, 4, 0.06, 0)}'`,
    "noise=c0s=6:c0f=t+u",
  ].join(",");
}
