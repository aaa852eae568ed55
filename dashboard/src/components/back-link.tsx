/** Back to the wall. */
import { BackIcon } from "./icons.tsx";

export function BackLink() {
  return (
    <a className="button back-link" href="#/" title="Back to all streams (Esc)">
      <BackIcon />
      All streams
    </a>
  );
}
