/** Receivers of alert events in the configuration: their schema, and each with its secrets read from wherever they are kept. */
import { type Static, type TSchema, Type } from "typebox";

const some = <T extends TSchema>(item: T, description: string) => Type.Optional(Type.Array(item, { minItems: 1, maxItems: 256, description }));

/** One plain address: no name beside it, no list, no line break. */
const MailAddress = (description: string) => Type.String({ pattern: '^[^\\s<>,;:"@]{1,64}@[^\\s<>,;:"@]{1,190}$', description });

export const ReceiverEntry = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9_-]{0,63}$", description: "Name shown everywhere, unique. Under another name it is another receiver, which begins with the next event." }),
    type: Type.Union([Type.Literal("webhook"), Type.Literal("alertmanager"), Type.Literal("slack"), Type.Literal("email")], { description: "What it speaks; the keys below are each for the types that they name." }),
    url: Type.Optional(Type.String({ minLength: 1, maxLength: 2_048, description: "Address of a webhook, an Alertmanager (without /api/v2/alerts) or a Slack-compatible incoming webhook, http or https. With a secret in it, better: urlFile." })),
    urlFile: Type.Optional(Type.String({ minLength: 1, description: "File whose first line is that address." })),
    secret: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: "Signing secret of a webhook: whsec_ and the base64 of 24 to 64 random bytes. Better: secretFile." })),
    secretFile: Type.Optional(Type.String({ minLength: 1, description: "File with one signing secret a line, at most four, the newest first: messages are signed with all of them." })),
    resendMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 3_600_000, description: "How often an Alertmanager is told again of what fires. Milliseconds; 60000 when absent." })),
    host: Type.Optional(Type.String({ minLength: 1, maxLength: 255, description: "SMTP server of e-mail." })),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535, description: "Its port; 587, 465 with tls and 25 without any when absent." })),
    security: Type.Optional(Type.Union([Type.Literal("starttls"), Type.Literal("tls"), Type.Literal("none")], { description: "How e-mail is protected on its way to the server; starttls when absent, and then never without." })),
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 255, description: "Login at the SMTP server." })),
    password: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024, description: "Its password. Better: passwordFile." })),
    passwordFile: Type.Optional(Type.String({ minLength: 1, description: "File whose first line is the password." })),
    from: Type.Optional(MailAddress("Sender of e-mail.")),
    to: some(MailAddress("Recipient."), "Recipients of e-mail."),
    maxPerMinute: Type.Optional(Type.Integer({ minimum: 1, maximum: 60, description: "E-mails in a minute; what comes beyond them goes into one digest. 6 when absent." })),
    streams: some(Type.String({ minLength: 1, maxLength: 64 }), "Only events of these streams."),
    rules: some(Type.Union([Type.Literal("manipulated-face"), Type.Literal("no-usable-face"), Type.Literal("low-coverage"), Type.Literal("decoder-restarts")]), "Only events of alerts of these rules."),
    kinds: some(Type.Union([Type.Literal("new"), Type.Literal("update"), Type.Literal("end")]), "Only events of these kinds. Not for an Alertmanager, which needs all."),
  },
  { additionalProperties: false },
);
export type ReceiverConfig = Static<typeof ReceiverEntry>;

interface ResolvedBase {
  readonly name: string;
  readonly streams: ReceiverConfig["streams"] | null;
  readonly rules: ReceiverConfig["rules"] | null;
  readonly kinds: ReceiverConfig["kinds"] | null;
}

interface ResolvedEmail {
  readonly type: "email";
  readonly host: string;
  readonly port: number;
  readonly security: "tls" | "starttls" | "none";
  readonly login: { readonly user: string; readonly pass: string } | null;
  readonly from: string;
  readonly to: readonly string[];
  readonly maxPerMinute: number;
}

/** A receiver with its secrets. */
export type ResolvedReceiver = ResolvedBase &
  (
    | { readonly type: "webhook"; readonly url: URL; readonly secrets: readonly string[] }
    | { readonly type: "alertmanager"; readonly url: URL; readonly resendMs: number }
    | { readonly type: "slack"; readonly url: URL }
    | ResolvedEmail
  );

/** Keys that a type takes beside those that all take. */
const OWN_KEYS = {
  webhook: ["url", "urlFile", "secret", "secretFile", "kinds"],
  alertmanager: ["url", "urlFile", "resendMs"],
  slack: ["url", "urlFile", "kinds"],
  email: ["host", "port", "security", "username", "password", "passwordFile", "from", "to", "maxPerMinute", "kinds"],
} as const satisfies Record<ReceiverConfig["type"], readonly (keyof ReceiverConfig)[]>;
const ALL_OWN_KEYS = [...new Set<keyof ReceiverConfig>(Object.values(OWN_KEYS).flat())];
const MAX_SECRETS = 4;
const SMTP_PORTS = { starttls: 587, tls: 465, none: 25 } as const;

export interface ReceiverContext {
  readonly problems: string[];
  /** Lines of a secret file that are not empty; undefined when it cannot be read, which is already noted. */
  readonly readLines: (file: string, key: string) => readonly string[] | undefined;
}

export function resolveReceivers(receivers: readonly ReceiverConfig[], context: ReceiverContext): ResolvedReceiver[] {
  const names = new Set<string>();
  return receivers.flatMap((receiver, index) => {
    const at = `receivers[${index}]`;
    if (names.has(receiver.name)) context.problems.push(`\`${at}.name\` is "${receiver.name}" but names must be unique`);
    names.add(receiver.name);
    return resolveReceiver(receiver, at, context) ?? [];
  });
}

function resolveReceiver(receiver: ReceiverConfig, at: string, { problems, readLines }: ReceiverContext): ResolvedReceiver | undefined {
  const { name, type } = receiver;
  const taken: readonly string[] = OWN_KEYS[type];
  for (const key of ALL_OWN_KEYS) {
    if (receiver[key] !== undefined && !taken.includes(key)) problems.push(`\`${at}\` ("${name}") has ${key} but receivers of type ${type} take none`);
  }
  const oneOf = (plain: "url" | "secret" | "password", file: "urlFile" | "secretFile" | "passwordFile"): readonly string[] | undefined => {
    const [value, path] = [receiver[plain], receiver[file]];
    if ((value === undefined) === (path === undefined)) problems.push(`\`${at}\` ("${name}") must have exactly one of ${plain} and ${file}`);
    else return value !== undefined ? [value] : readLines(path ?? "", `${at}.${file}`);
    return undefined;
  };
  const base = { name, streams: receiver.streams ?? null, rules: receiver.rules ?? null, kinds: receiver.kinds ?? null };
  const required = (key: "host" | "from" | "to"): boolean => {
    if (receiver[key] !== undefined) return true;
    problems.push(`\`${at}\` ("${name}") must have ${key}`);
    return false;
  };
  if (type === "email") {
    const { host, from, to, username, security = "starttls", port = SMTP_PORTS[security], maxPerMinute = 6 } = receiver;
    const isComplete = (["host", "from", "to"] as const).map(required).every(Boolean);
    const hasPassword = receiver.password !== undefined || receiver.passwordFile !== undefined;
    if (username === undefined && hasPassword) problems.push(`\`${at}\` ("${name}") has a password but no username`);
    const pass = username === undefined ? undefined : oneOf("password", "passwordFile")?.[0];
    if (!isComplete || host === undefined || from === undefined || to === undefined || (username !== undefined && pass === undefined)) return undefined;
    return { ...base, type, host, port, security, login: username === undefined || pass === undefined ? null : { user: username, pass }, from, to, maxPerMinute };
  }
  const url = receiverUrl(oneOf("url", "urlFile")?.[0], { at, name, problems });
  switch (type) {
    case "webhook": {
      const secrets = oneOf("secret", "secretFile");
      if (secrets !== undefined && secrets.length > MAX_SECRETS) problems.push(`\`${at}.secretFile\` holds ${secrets.length} secrets but at most ${MAX_SECRETS} are used`);
      return url && secrets && { ...base, type, url, secrets };
    }
    case "alertmanager":
      return url && { ...base, type, url, resendMs: receiver.resendMs ?? 60_000 };
    case "slack":
      return url && { ...base, type, url };
  }
}

function receiverUrl(text: string | undefined, { at, name, problems }: { readonly at: string; readonly name: string; readonly problems: string[] }): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) return url;
  // It may hold a secret, so it is not repeated.
  problems.push(`\`${at}\` ("${name}") has an address that is no http or https URL`);
  return undefined;
}
