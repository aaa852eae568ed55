/** SDP as lines (RFC 8866): cut into its session part and media sections, bounded, with nothing understood yet. */
import { TruecastError } from "../../../pipelines/errors.ts";

export interface SdpSection {
  /** Value of the `m=` line; empty for the session part. */
  readonly media: string;
  /** Values of the `a=` lines, in order. */
  readonly attributes: readonly string[];
}

export interface SdpLines {
  readonly session: SdpSection;
  readonly sections: readonly SdpSection[];
}

const MAX_LINES = 2_000;
const MAX_SECTIONS = 16;

/** @param first The letters that the text may begin with. @throws TruecastError sdp-malformed */
export function readSdpLines(text: string, first: RegExp): SdpLines {
  const lines = text.split(/\r\n|\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > MAX_LINES) throw malformed(`more than ${MAX_LINES} lines`);
  if (!first.test(lines[0] ?? "")) throw malformed("an unexpected first line");
  const session = { media: "", attributes: [] as string[] };
  const sections: { media: string; attributes: string[] }[] = [];
  lines.forEach((line, index) => {
    // Control characters have no place in a line, and an answer repeats parts of lines.
    // oxlint-disable-next-line no-control-regex
    if (!/^[a-z]=[^\u0000-\u001f\u007f]*$/.test(line)) throw malformed(`line ${index + 1}, which is no SDP line`);
    const value = line.slice(2);
    if (line.startsWith("m=")) {
      if (sections.length === MAX_SECTIONS) throw malformed(`more than ${MAX_SECTIONS} media sections`);
      sections.push({ media: value, attributes: [] });
    } else if (line.startsWith("a=")) {
      (sections.at(-1) ?? session).attributes.push(value);
    }
  });
  return { session, sections };
}

/** Value of the first `a=name:value`; undefined when there is none. */
export function attributeOf(section: SdpSection, name: string): string | undefined {
  return section.attributes.find((attribute) => attribute.startsWith(`${name}:`))?.slice(name.length + 1);
}

export function attributesOf(section: SdpSection, name: string): readonly string[] {
  return section.attributes.filter((attribute) => attribute.startsWith(`${name}:`)).map((attribute) => attribute.slice(name.length + 1));
}

export interface IceCredentials {
  readonly ufrag: string;
  readonly password: string;
}

/** Credentials of RFC 8839, 5.4: null when neither is there. @throws TruecastError sdp-malformed for half a pair or one out of its grammar */
export function iceCredentialsOf(...sections: readonly SdpSection[]): IceCredentials | null {
  const find = (name: string) => sections.map((section) => attributeOf(section, name)).find((value) => value !== undefined);
  const ufrag = find("ice-ufrag");
  const password = find("ice-pwd");
  if (ufrag === undefined && password === undefined) return null;
  if (!/^[A-Za-z0-9+/]{4,256}$/.test(ufrag ?? "") || !/^[A-Za-z0-9+/]{22,256}$/.test(password ?? "")) throw malformed("an ice-ufrag and ice-pwd outside of their grammar (RFC 8839, 5.4)");
  return { ufrag: ufrag ?? "", password: password ?? "" };
}

export function malformed(what: string): TruecastError {
  return new TruecastError("sdp-malformed", `The SDP has ${what}.`);
}
