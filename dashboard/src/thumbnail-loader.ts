/** Loads one stream's newest thumbnail: one request at a time, and only the newest of those that waited. */

export interface ThumbnailLoader extends Disposable {
  /** Asks for this picture; an older one still waiting is forgotten. */
  want(url: string): void;
  close(): void;
}

export interface ThumbnailLoaderOptions {
  /** Loads and decodes; rejects when there is no picture. */
  readonly load: (url: string) => Promise<HTMLImageElement>;
  /** The picture is decoded, so showing it does not flicker. */
  readonly show: (image: HTMLImageElement) => void;
}

export function startThumbnailLoader(options: ThumbnailLoaderOptions): ThumbnailLoader {
  let waiting: string | null = null;
  let loading = false;
  let closed = false;

  const next = async (): Promise<void> => {
    while (waiting !== null && !closed) {
      const url = waiting;
      waiting = null;
      try {
        const image = await options.load(url);
        if (!closed) options.show(image);
      } catch {
        // No picture (yet), or it is gone: the last one stays until the next is announced.
      }
    }
    loading = false;
  };

  const close = (): void => {
    closed = true;
    waiting = null;
  };
  return {
    want: (url) => {
      waiting = url;
      if (loading || closed) return;
      loading = true;
      void next();
    },
    close,
    [Symbol.dispose]: close,
  };
}

const LOAD_TIMEOUT_MS = 10_000;

/** An image element, decoded. */
export function loadImage(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.decoding = "async";
  const timedOut = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    // Ends the request too.
    image.src = "";
    timedOut.reject(new Error("The thumbnail did not come in time."));
  }, LOAD_TIMEOUT_MS);
  image.src = url;
  return Promise.race([image.decode().then(() => image), timedOut.promise]).finally(() => clearTimeout(timer));
}
