/** The XML of a DASH manifest to a tree: elements, attributes and text, no document types, no entities but the five. Pure and bounded. */
import { TruecastError } from "../../../pipelines/errors.ts";

export interface XmlElement {
  /** Without its namespace prefix. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

const MAX_DEPTH = 32;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const TOKEN = /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<\/([\w:.-]+)\s*>|<([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
const ATTRIBUTE = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

interface Open {
  readonly name: string;
  readonly attributes: Map<string, string>;
  readonly children: XmlElement[];
  text: string;
}

/** @throws TruecastError playlist-invalid */
export function parseXml(text: string): XmlElement {
  const root: Open = { name: "", attributes: new Map(), children: [], text: "" };
  const open: Open[] = [root];
  const source = text.replace(/^\uFEFF/, "");
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const token = TOKEN.exec(source);
    // A document type is here too: nothing of it is wanted, and entities are what it is abused for.
    if (token === null) throw broken();
    const [, cdata, closing, opening, attributes = "", selfClosing, plain] = token;
    const current = open.at(-1) ?? root;
    if (cdata !== undefined) current.text += cdata;
    else if (plain !== undefined) current.text += unescaped(plain);
    else if (opening !== undefined) {
      const element: Open = { name: localName(opening), attributes: new Map(), children: [], text: "" };
      for (const [, name = "", double, single] of attributes.matchAll(ATTRIBUTE)) element.attributes.set(localName(name), unescaped(double ?? single ?? ""));
      current.children.push(element);
      if (selfClosing === "") open.push(element);
      if (open.length > MAX_DEPTH) throw broken();
    } else if (closing !== undefined) {
      if (open.length < 2 || localName(closing) !== current.name) throw broken();
      open.pop();
    }
  }
  const [element] = root.children;
  if (open.length !== 1 || root.children.length !== 1 || element === undefined) throw broken();
  return element;
}

export function childrenOf(element: XmlElement | undefined, name: string): readonly XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

function localName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w+));/gi, (whole, decimal: string | undefined, hex: string | undefined, name: string | undefined) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex ?? "0", 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function broken(): TruecastError {
  return new TruecastError("playlist-invalid", "The DASH manifest is not well-formed XML, or holds a document type.");
}
