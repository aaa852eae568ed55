/** A stream's newest thumbnail with a box and a verdict over every face. */
import { useEffect, useRef, useState } from "react";
import type { ModelCard, Stream } from "../../../daemon/protocol.ts";
import { loadImage, startThumbnailLoader, type ThumbnailLoader } from "../thumbnail-loader.ts";
import { FaceBoxes } from "./face-boxes.tsx";

const DEFAULT_ASPECT = 16 / 9;

export function Picture({ stream, model, large = false }: { stream: Stream; model: ModelCard; large?: boolean }) {
  const frame = useRef<HTMLDivElement>(null);
  const host = useRef<HTMLDivElement>(null);
  const [aspect, setAspect] = useState<number | null>(null);
  useThumbnail({ frame, host, name: stream.name, ptsMs: stream.thumbnailPtsMs, onAspect: setAspect });
  const shownAspect = aspect ?? aspectOf(stream) ?? DEFAULT_ASPECT;
  return (
    <div ref={frame} className="picture" data-large={large} data-dimmed={stream.state !== "live"}>
      {/* The inner frame has the picture's own shape, so that boxes given in fractions of the picture fit. */}
      <div className="picture-frame" data-fit={shownAspect >= DEFAULT_ASPECT ? "width" : "height"} style={{ aspectRatio: String(shownAspect) }}>
        <div ref={host} className="picture-host" />
        {aspect !== null && stream.state === "live" && <FaceBoxes stream={stream} model={model} large={large} />}
      </div>
    </div>
  );
}

function aspectOf(stream: Stream): number | null {
  const { widthPx = null, heightPx = null } = stream.publisher ?? {};
  return widthPx === null || heightPx === null || heightPx === 0 ? null : widthPx / heightPx;
}

interface ThumbnailTarget {
  readonly frame: React.RefObject<HTMLDivElement | null>;
  readonly host: React.RefObject<HTMLDivElement | null>;
  readonly name: string;
  readonly ptsMs: number | null;
  readonly onAspect: (aspect: number) => void;
}

/** Keeps the newest thumbnail in `host` while the tile is on the screen. */
function useThumbnail({ frame, host, name, ptsMs, onAspect }: ThumbnailTarget): void {
  const loader = useRef<ThumbnailLoader | null>(null);
  const visible = useVisible(frame);

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    loader.current = startThumbnailLoader({
      load: loadImage,
      show: (image) => {
        image.alt = "";
        image.draggable = false;
        element.replaceChildren(image);
        if (image.naturalHeight > 0) onAspect(image.naturalWidth / image.naturalHeight);
      },
    });
    return () => {
      loader.current?.close();
      element.replaceChildren();
    };
  }, [host, name, onAspect]);

  useEffect(() => {
    if (ptsMs === null || !visible) return;
    loader.current?.want(`/api/v1/streams/${encodeURIComponent(name)}/thumbnail.jpg?pts=${ptsMs}`);
  }, [name, ptsMs, visible]);
}

/** A tile scrolled away loads nothing. */
function useVisible(target: React.RefObject<HTMLElement | null>): boolean {
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const element = target.current;
    if (element === null) return;
    const observer = new IntersectionObserver((entries) => setVisible(entries.at(-1)?.isIntersecting ?? false), { rootMargin: "100px" });
    observer.observe(element);
    return () => observer.disconnect();
  }, [target]);
  return visible;
}
