/** The wall when the configuration names no stream. */

export function EmptyWall() {
  return (
    <div className="empty">
      <svg className="empty-art" viewBox="0 0 120 72" width="120" height="72" fill="none" stroke="currentColor" strokeWidth="2" aria-hidden="true" focusable="false">
        <rect x="2" y="2" width="54" height="31" rx="4" strokeDasharray="5 5" />
        <rect x="64" y="2" width="54" height="31" rx="4" strokeDasharray="5 5" />
        <rect x="2" y="39" width="54" height="31" rx="4" strokeDasharray="5 5" />
        <rect x="64" y="39" width="54" height="31" rx="4" strokeDasharray="5 5" />
      </svg>
      <h2>No streams are configured</h2>
      <p>
        Add one with a name and a key, or an address to pull from, under <code>streams</code> in the configuration and restart the daemon. <code>config/default.yaml</code> explains every key.
      </p>
    </div>
  );
}
