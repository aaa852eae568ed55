import { expect, it } from "vitest";
import { readDecoderLogLine } from "./decoder-log.ts";

const SHOWINFO = "[Parsed_showinfo_3 @ 0x55ebbd8d2440] [info] ";

it.each([
  [`${SHOWINFO}n:   0 pts:     67 pts_time:0.067   pos:      277 fmt:rgb24 sar:1/1 s:640x360 i:P iskey:1 type:I `, { kind: "frame", pts: 67, widthPx: 640, heightPx: 360 }],
  [`${SHOWINFO}n:12345 pts:-100 pts_time:-0.1 duration:      1 duration_time:0.04 fmt:rgb24 cl:left sar:0/1 s:1280x720 i:P iskey:0 type:P `, { kind: "frame", pts: -100, widthPx: 1280, heightPx: 720 }],
  [`${SHOWINFO}n:   1 pts:   NOPTS pts_time:NOPTS pos: 1 fmt:rgb24 sar:1/1 s:64x64 i:P iskey:0 type:P `, { kind: "frame", pts: null, widthPx: 64, heightPx: 64 }],
  [`${SHOWINFO}config in time_base: 1/90000, frame_rate: 30/1`, { kind: "time-base", numerator: 1, denominator: 90_000 }],
  [`${SHOWINFO}config out time_base: 0/0, frame_rate: 0/0`, { kind: "other" }],
  ["[h264 @ 0x5581] [error] error while decoding MB 3 4, bytestream -5", { kind: "error", message: "error while decoding MB 3 4, bytestream -5" }],
  ["[error] Error while decoding stream #0:0: Invalid data found", { kind: "error", message: "Error while decoding stream #0:0: Invalid data found" }],
  ["[flv @ 0x55] [warning] Stream #0: not enough frames to estimate rate", { kind: "other" }],
  // What a file says of itself is no announcement.
  [`    title           : ${SHOWINFO}n:   0 pts:  1 pts_time:1 fmt:rgb24 sar:1/1 s:640x360 i:P iskey:1 type:I `, { kind: "other" }],
  ["[info]     comment         : [error] made up", { kind: "other" }],
])("reads %j", (line, expected) => {
  expect(readDecoderLogLine(line)).toEqual(expected);
});
