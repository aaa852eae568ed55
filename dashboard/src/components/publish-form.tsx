/** What to publish where: stream and key, camera or screen, picture; start and stop. */
import { useEffect, useRef, useState } from "react";
import { BIT_RATES_KBPS, FRAME_RATES, SIZES } from "../publish/settings.ts";
import { formatBitrate } from "../format.ts";
import { usePublisher, usePublisherView } from "../use-publisher.ts";

export function PublishForm({ whipUrl, streams }: { whipUrl: string; streams: readonly string[] }) {
  const publisher = usePublisher();
  const { link, capture, settings } = usePublisherView();
  const running = link.kind !== "stopped";
  const mainButton = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    // The button or field that had it is gone or disabled now.
    if (document.activeElement === document.body) mainButton.current?.focus();
  }, [running]);
  return (
    <form
      className="panel publish-form"
      aria-label="What to publish"
      // Never sent by the browser, which would put the key into the address.
      onSubmit={(event) => {
        event.preventDefault();
        void publisher.start(whipUrl);
      }}
    >
      <fieldset disabled={running}>
        <legend>Where to</legend>
        <label className="field">
          <span>Stream</span>
          <select required value={settings.stream ?? ""} onChange={({ target }) => publisher.change({ stream: target.value })}>
            {streams.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <KeyField />
      </fieldset>
      <fieldset disabled={running}>
        <legend>What</legend>
        <SourceFields />
        <PictureFields />
      </fieldset>
      <div className="publish-buttons">
        {/* Keys, or React makes the button that was clicked to stop the one that submits, while the click is still under way. */}
        {running ? (
          <button key="stop" ref={mainButton} type="button" className="button button-primary" onClick={() => publisher.stop()}>
            Stop publishing
          </button>
        ) : (
          <button key="start" ref={mainButton} type="submit" className="button button-primary" disabled={capture.kind === "asking"}>
            Start publishing
          </button>
        )}
        {!running && capture.kind === "on" && (
          <button key="end-preview" type="button" className="button" onClick={() => publisher.stop()}>
            End preview
          </button>
        )}
        {!running && capture.kind !== "on" && (
          <button key="preview" type="button" className="button" disabled={capture.kind === "asking"} onClick={() => void publisher.preview()}>
            Preview first
          </button>
        )}
      </div>
      <p className="muted publish-note">Only the picture is sent. Sound is not recorded.</p>
    </form>
  );
}

function KeyField() {
  const publisher = usePublisher();
  const { settings } = usePublisherView();
  const [visible, setVisible] = useState(false);
  return (
    <div className="field">
      <label htmlFor="publish-key">Stream key</label>
      <span className="key-row">
        <input
          id="publish-key"
          type={visible ? "text" : "password"}
          required
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          aria-describedby="publish-key-note"
          value={settings.key}
          onChange={({ target }) => publisher.change({ key: target.value.trim() })}
        />
        <button type="button" className="button" aria-pressed={visible} onClick={() => setVisible(!visible)}>
          Show
        </button>
      </span>
      <small id="publish-key-note" className="muted">
        The secret that belongs to the stream; Truecast printed it at its first start, or it stands in your configuration. This page forgets it when it is closed.
      </small>
    </div>
  );
}

function SourceFields() {
  const publisher = usePublisher();
  const { cameras, settings } = usePublisherView();
  return (
    <>
      <div className="field choices" role="radiogroup" aria-label="Source">
        {(["camera", "screen"] as const).map((source) => (
          <label key={source}>
            <input type="radio" name="source" checked={settings.source === source} onChange={() => publisher.change({ source })} />
            {source === "camera" ? "Camera" : "Screen, window or tab"}
          </label>
        ))}
      </div>
      {settings.source === "camera" && (
        <label className="field">
          <span>Camera</span>
          <select value={settings.cameraId ?? ""} onChange={({ target }) => publisher.change({ cameraId: target.value === "" ? null : target.value })}>
            <option value="">Default camera</option>
            {cameras.map(({ id, label }) => (
              <option key={id} value={id}>
                {label}
              </option>
            ))}
          </select>
          {cameras.length === 0 && <small className="muted">The others are listed once you have allowed one.</small>}
        </label>
      )}
    </>
  );
}

function PictureFields() {
  const publisher = usePublisher();
  const { settings } = usePublisherView();
  return (
    <div className="field-row">
      <label className="field">
        <span>Picture</span>
        <select value={settings.size.label} onChange={({ target }) => publisher.change({ size: SIZES.find(({ label }) => label === target.value) ?? SIZES[0] })}>
          {SIZES.map(({ label }) => (
            <option key={label}>{label}</option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Frames a second</span>
        <select value={settings.fps} onChange={({ target }) => publisher.change({ fps: Number(target.value) })}>
          {FRAME_RATES.map((fps) => (
            <option key={fps}>{fps}</option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Bit rate at most</span>
        <select value={settings.bitrateKbps} onChange={({ target }) => publisher.change({ bitrateKbps: Number(target.value) })}>
          {BIT_RATES_KBPS.map((kbps) => (
            <option key={kbps} value={kbps}>
              {formatBitrate(kbps)}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
