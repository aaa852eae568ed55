/** The whole page when the daemon wants to know who looks: a form for a token, made so that password managers fill and keep it. */
import { useRef, useState } from "react";
import { type SignInOutcome, signIn } from "../session.ts";
import { KeyIcon, Logo } from "./icons.tsx";

export function SignInPage() {
  const field = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [shown, setShown] = useState(false);

  const submit = async (token: string): Promise<void> => {
    if (token === "") {
      setProblem("Enter a token.");
      field.current?.focus();
      return;
    }
    setBusy(true);
    const outcome = await signIn(token);
    if (outcome.kind === "signed-in") {
      // The whole page anew: nothing that an earlier visitor saw stays in its memory.
      window.location.reload();
      return;
    }
    setBusy(false);
    setProblem(wordsOf(outcome));
    field.current?.focus();
    field.current?.select();
  };

  return (
    <main className="full-page">
      <p className="brand">
        <Logo />
        <span>Truecast</span>
      </p>
      <KeyIcon />
      <h1>Sign in</h1>
      <form
        className="sign-in"
        method="post"
        action="/api/v1/session"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(field.current?.value.trim() ?? "");
        }}
      >
        {/* Password managers keep a secret under a name. */}
        <input className="visually-hidden" type="text" name="username" autoComplete="username" value="Truecast" readOnly tabIndex={-1} aria-hidden="true" />
        <label htmlFor="token">Access token</label>
        <div className="sign-in-row">
          <input
            ref={field}
            id="token"
            name="token"
            type={shown ? "text" : "password"}
            autoComplete="current-password"
            autoCapitalize="none"
            autoCorrect="off"
            spellCheck={false}
            autoFocus
            aria-invalid={problem !== null}
            aria-describedby={problem === null ? undefined : "sign-in-problem"}
          />
          <button type="button" className="button" aria-pressed={shown} aria-label="Show the token" onClick={() => setShown(!shown)}>
            {shown ? "Hide" : "Show"}
          </button>
        </div>
        <button type="submit" className="button button-primary" disabled={busy}>
          {busy ? "Signing in …" : "Sign in"}
        </button>
        <p id="sign-in-problem" className="sign-in-problem" role="alert">
          {problem}
        </p>
      </form>
      <p className="muted">
        An administrator makes one with <code>truecast token create</code>. The first was printed when the daemon first started, or is the one in its configuration.
      </p>
    </main>
  );
}

function wordsOf(outcome: Exclude<SignInOutcome, { kind: "signed-in" }>): string {
  switch (outcome.kind) {
    case "wrong":
      return "This token is not valid: it may be mistyped, expired or revoked.";
    case "no-viewer":
      return "This token may publish, but not look.";
    case "not-its-page":
      return `The daemon does not take this page for its own. A proxy before it must pass on Host as it is (here ${window.location.host}).`;
    case "limited":
      return `Too many wrong tokens came from your address, or too many sessions were begun with this one. Try again in ${outcome.retryAfterSeconds} s.`;
    case "unreachable":
      return "The daemon does not answer. Try again.";
  }
}
