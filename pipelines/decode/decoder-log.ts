/** Lines of ffmpeg's stderr (at `-loglevel level+info`) to what they announce: a frame, a time base, an error. */

export type DecoderLogLine =
  | { readonly kind: "frame"; /** In units of the time base; null when the frame has none. */ readonly pts: number | null; readonly widthPx: number; readonly heightPx: number }
  | { readonly kind: "time-base"; readonly numerator: number; readonly denominator: number }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "other" };

// Anchored at the start of the line: text of the input itself (titles, comments) is printed indented, so it cannot pass for these.
// Its `pts_time` has six significant digits only, too few after a quarter of an hour; `pts` is exact.
const FRAME = /^\[Parsed_showinfo_\d+ @ [^\]]+\] \[info\] n: *\d+ pts: *(-?\d+|NOPTS) .* s:(\d{1,5})x(\d{1,5}) /;
const TIME_BASE = /^\[Parsed_showinfo_\d+ @ [^\]]+\] \[info\] config in time_base: (\d{1,9})\/(\d{1,9}),/;
const ERROR = /^(?:\[[^\]]+ @ [^\]]+\] )*\[(?:error|fatal|panic)\] (.*)/;
const MAX_MESSAGE_CHARACTERS = 300;

export function readDecoderLogLine(line: string): DecoderLogLine {
  const frame = FRAME.exec(line);
  if (frame) return { kind: "frame", pts: frame[1] === "NOPTS" ? null : Number(frame[1]), widthPx: Number(frame[2]), heightPx: Number(frame[3]) };
  const timeBase = TIME_BASE.exec(line);
  if (timeBase) return { kind: "time-base", numerator: Number(timeBase[1]), denominator: Number(timeBase[2]) };
  const error = ERROR.exec(line);
  if (error) return { kind: "error", message: (error[1] ?? "").slice(0, MAX_MESSAGE_CHARACTERS) };
  return { kind: "other" };
}
