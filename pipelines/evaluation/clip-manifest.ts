/** Reads a clip manifest: a CSV file (RFC 4180) that lists clips with their label, type and group. */
import { TruecastError } from "../errors.ts";

export const LABELS = ["real", "fake"] as const;
export type Label = (typeof LABELS)[number];

export interface ManifestClip {
  /** As written in the manifest; relative to the manifest's folder. */
  readonly file: string;
  readonly label: Label;
  /** How it was made, for example `face_swap: GHOST`; genuine clips may say where they come from. */
  readonly type: string;
  /** Person or scene: clips of one group are never on two sides of a split. */
  readonly group: string;
  /** Line of the manifest, counted from 1. */
  readonly line: number;
}

const COLUMNS = ["file", "label", "type", "group"] as const;
type Column = (typeof COLUMNS)[number];

/**
 * Further columns are ignored; a byte order mark, CRLF and blank lines are accepted.
 * @param source name of the file, for messages
 * @throws TruecastError manifest-invalid, naming line and column
 */
export function parseClipManifest(text: string, source: string): ManifestClip[] {
  const [header, ...records] = readRecords(text.replace(/^\uFEFF/, ""), source);
  if (header === undefined) throw invalid(source, 1, "the manifest is empty; its first line must name the columns file,label,type,group");
  const columns = columnsOf(header, source);
  const clips = records.map((record) => clipOf(record, { header, columns, source }));
  if (clips.length === 0) throw invalid(source, header.line, "the manifest lists no clip");
  const lineOf = new Map<string, number>();
  for (const { file, line } of clips) {
    const earlier = lineOf.get(file);
    if (earlier !== undefined) throw invalid(source, line, `column file: "${file}" is listed already in line ${earlier}`);
    lineOf.set(file, line);
  }
  return clips;
}

/** @throws TruecastError manifest-invalid unless both labels occur */
export function requireBothLabels(clips: readonly ManifestClip[], source: string): void {
  for (const label of LABELS) {
    if (!clips.some((clip) => clip.label === label)) throw new TruecastError("manifest-invalid", `${source}: column label: no clip is ${label}; an evaluation needs both`);
  }
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

function columnsOf(header: CsvRecord, source: string): Record<Column, number> {
  const names = header.fields.map((name) => name.trim());
  const at = (column: Column): number => {
    const index = names.indexOf(column);
    if (index < 0) throw invalid(source, header.line, `column ${column} is missing; the columns are ${names.join(", ")}`);
    if (names.indexOf(column, index + 1) >= 0) throw invalid(source, header.line, `column ${column} is there twice`);
    return index;
  };
  return { file: at("file"), label: at("label"), type: at("type"), group: at("group") };
}

function clipOf({ line, fields }: CsvRecord, { header, columns, source }: { header: CsvRecord; columns: Record<Column, number>; source: string }): ManifestClip {
  if (fields.length !== header.fields.length) {
    throw invalid(source, line, `${fields.length} fields where the header has ${header.fields.length} columns; a field that holds a comma must be quoted`);
  }
  const valueOf = (column: Column): string => {
    const value = (fields[columns[column]] ?? "").trim();
    if (value === "") throw invalid(source, line, `column ${column} is empty`);
    return value;
  };
  const written = valueOf("label");
  const label = LABELS.find((known) => known === written);
  if (label === undefined) throw invalid(source, line, `column label is "${written}" but must be real or fake`);
  return { file: valueOf("file"), label, type: valueOf("type"), group: valueOf("group"), line };
}

/** Records of RFC 4180; a record's line is the one it begins on. */
function readRecords(text: string, source: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let line = 1;
  let startLine = 1;
  let fields: string[] = [];
  let field = "";
  let quoted: "no" | "open" | "closed" = "no";
  const endField = (): void => {
    fields.push(field);
    field = "";
    quoted = "no";
  };
  const endRecord = (): void => {
    endField();
    if (fields.length > 1 || fields[0]?.trim() !== "") records.push({ line: startLine, fields });
    fields = [];
    startLine = line;
  };
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (character === "\n") line++;
    if (quoted === "open") {
      if (character !== '"') field += character;
      else if (text.charAt(index + 1) === '"') field += text.charAt(++index);
      else quoted = "closed";
    } else if (character === ",") endField();
    else if (character === "\n") endRecord();
    else if (character === "\r" && text.charAt(index + 1) === "\n") continue;
    else if (quoted === "closed") throw invalid(source, line, `column ${fields.length + 1}: text after the closing quote`);
    else if (character === '"' && field === "") quoted = "open";
    else field += character;
  }
  if (quoted === "open") throw invalid(source, startLine, `column ${fields.length + 1}: the quote is never closed`);
  if (field !== "" || fields.length > 0 || quoted === "closed") endRecord();
  return records;
}

function invalid(source: string, line: number, message: string): TruecastError {
  return new TruecastError("manifest-invalid", `${source}:${line}: ${message}`);
}
