import { expect, it } from "vitest";
import { judgePictureSize, liveArguments, probeArguments, recordingArguments, recordingSource } from "./ffmpeg-arguments.ts";

const SCALE = "scale=w='max(1,round(iw*if(lt(abs(sar-1),0.02),1,clip(sar,0.25,4))*min(1,min(1280/(iw*if(lt(abs(sar-1),0.02),1,clip(sar,0.25,4))),720/ih))))':h='max(1,round(ih*min(1,min(1280/(iw*if(lt(abs(sar-1),0.02),1,clip(sar,0.25,4))),720/ih))))':flags=bilinear";
const OUTPUT_END = `,${SCALE},format=rgb24,sidedata=mode=delete,showinfo=checksum=0 -c:v rawvideo -pix_fmt rgb24 -flush_packets 1 -f rawvideo`;

it("gives live decoding exactly these arguments", () => {
  const { inputOptions, outputOptions } = liveArguments();
  expect(inputOptions.join(" ")).toBe(
    "-hide_banner -nostdin -nostats -loglevel level+info -probesize 32 -analyzeduration 0 -flags low_delay -threads 1 -max_pixels 67108864 -protocol_whitelist pipe -copyts -f flv",
  );
  expect(outputOptions.join(" ")).toBe(
    `-map 0:V:0 -fps_mode passthrough -autoscale 0 -threads 1 -vf select='isnan(prev_selected_t)+not(eq(floor(t*10+0.00001),floor(prev_selected_t*10+0.00001)))'${OUTPUT_END}`,
  );
});

it("names the decoder where the container cannot", () => {
  expect(liveArguments({ format: "ivf", decoder: "hevc" }).inputOptions.slice(-4)).toEqual(["-f", "ivf", "-c:v", "hevc"]);
  expect(liveArguments({ format: "ivf", decoder: null }).inputOptions.slice(-2)).toEqual(["-f", "ivf"]);
});

it("asks a refilled decoder for one frame a second up to the point where it goes on", () => {
  expect(liveArguments({ resumeAtMs: 12_300 }).outputOptions.join(" ")).toContain(
    "select='isnan(prev_selected_t)+if(lt(t,12.3),not(eq(floor(t),floor(prev_selected_t))),not(eq(floor(t*10+0.00001),floor(prev_selected_t*10+0.00001))))'",
  );
});

it("gives recordings the same filter chain as live streams, and forces paths and containers", () => {
  const file = recordingArguments(recordingSource("concat:a|b.mp4"));
  expect(file.outputOptions).toEqual(liveArguments().outputOptions);
  expect(file.inputOptions.join(" ")).toBe(
    "-hide_banner -nostdin -nostats -loglevel level+info -threads 1 -max_pixels 67108864 -protocol_whitelist file,pipe -format_whitelist mov,matroska,flv,mpegts,mpeg,avi,ogg,asf,h264,hevc,mpegvideo,m4v,ivf,mjpeg,gif,nut,mxf,rm,wtv",
  );
  expect(recordingSource("concat:a|b.mp4")).toEqual({ kind: "file", input: "file:concat:a|b.mp4" });
});

it("opens http and https as URLs, everything else as a path", () => {
  expect(recordingSource("HTTPS://example.org/a.mp4").kind).toBe("url");
  for (const path of ["rtmp://example.org/a", "ftp://example.org/a", "data:,x", "-i", "http.mp4"]) expect(recordingSource(path).input).toBe(`file:${path}`);
  expect(probeArguments(recordingSource("http://example.org/a.mp4")).join(" ")).toContain("-protocol_whitelist http,https,tcp,tls -format_whitelist mov,");
});

it.each([
  [1, 1, "refused"],
  [31, 720, "refused"],
  [32, 32, "ok"],
  [4096, 4096, "ok"],
  [8192, 8192, "ok"],
  [8193, 100, "refused"],
])("judges a picture of %dx%d as %s", (widthPx, heightPx, kind) => {
  expect(judgePictureSize(widthPx, heightPx).kind).toBe(kind);
});
