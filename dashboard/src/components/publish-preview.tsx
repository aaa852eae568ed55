/** What the camera or screen gives, as it will be seen: to the person alone until it is published. */
import { useEffect, useRef } from "react";
import { usePublisherView } from "../use-publisher.ts";

export function PublishPreview() {
  const { capture, settings } = usePublisherView();
  const media = capture.kind === "on" ? capture.media : null;
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current !== null) video.current.srcObject = media;
  }, [media]);
  return (
    <div className="publish-preview">
      {media === null ? (
        <p>{capture.kind === "asking" ? `The browser asks whether this page may use the ${settings.source}.` : "No preview yet."}</p>
      ) : (
        <video ref={video} autoPlay muted playsInline aria-label={`Preview of your ${settings.source}`} />
      )}
    </div>
  );
}
