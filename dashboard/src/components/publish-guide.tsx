/** What to enter into OBS, ffmpeg or a WHIP client, where a picture will be once someone publishes. */
import { useState } from "react";
import { useReady } from "../use-live.ts";
import { StateIcon } from "./icons.tsx";

export function PublishGuide({ name }: { name: string }) {
  const { rtmpUrl, rtmpsUrl, whipUrl } = useReady((state) => state.system);
  return (
    <div className="guide">
      <h2>
        <StateIcon state="waiting" />
        Waiting for a publisher
      </h2>
      <p>In OBS: Settings, Stream, Service “Custom…”, then</p>
      <dl>
        <div>
          <dt>Server</dt>
          <dd>
            <code>{rtmpUrl}</code>
            <CopyButton text={rtmpUrl} what="server address" />
            {rtmpsUrl !== null && (
              <>
                {" "}
                or encrypted, under a name that the certificate bears: <code>{rtmpsUrl}</code>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>Stream key</dt>
          <dd>
            your stream key, the one configured for <b>{name}</b>
          </dd>
        </div>
        <div>
          <dt>Output</dt>
          <dd>H.264, HEVC or AV1, a keyframe every 2 s. Then Start Streaming.</dd>
        </div>
      </dl>
      <p>Or with ffmpeg:</p>
      <pre tabIndex={0} aria-label="ffmpeg command">
        <code>{`ffmpeg -re -i video.mp4 -c:v libx264 -g 60 -an -f flv ${rtmpUrl}/YOUR_STREAM_KEY`}</code>
      </pre>
      {whipUrl !== null && (
        <p>
          Or over WebRTC, from a browser or from OBS 30 and later: Service “WHIP”, server <code>{`${whipUrl}/${name}`}</code>, and the stream key as bearer token.
        </p>
      )}
    </div>
  );
}

/** Only where the browser lets a page write to the clipboard: on loopback and over HTTPS. */
function CopyButton({ text, what }: { text: string; what: string }) {
  const [label, setLabel] = useState("Copy");
  if (!("clipboard" in navigator)) return null;
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setLabel("Copied");
    } catch {
      setLabel("Not allowed");
    }
  };
  return (
    <button type="button" className="button button-small" aria-label={`${label} ${what}`} onClick={() => void copy()}>
      {label}
    </button>
  );
}
