/** Who is signed in, and the way out; nothing where the port is open to its own machine. */
import { useEffect, useState } from "react";
import type { Session } from "../../../daemon/access-protocol.ts";
import { readSession, signOut } from "../session.ts";

export function SignedIn() {
  const [session, setSession] = useState<Session | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let gone = false;
    void readSession().then((found) => {
      if (!gone) setSession(found);
    });
    return () => {
      gone = true;
    };
  }, []);
  if (session?.by !== "session") return null;

  const leave = async (): Promise<void> => {
    // The whole page anew: what was seen does not stay in its memory.
    if (await signOut(session.csrfToken ?? "")) window.location.reload();
    else setFailed(true);
  };
  const streams = session.streams === null ? "all streams" : session.streams.join(", ");
  return (
    <div className="signed-in" title={`${session.name}: ${session.role}, ${streams}`}>
      <span className="signed-in-name">{session.name}</span>
      <span className="badge signed-in-role">{session.role}</span>
      <button type="button" className="button" onClick={() => void leave()}>
        {failed ? "Not signed out: try again" : "Sign out"}
      </button>
    </div>
  );
}
