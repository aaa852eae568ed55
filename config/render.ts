/** Writes the schema out as config/default.yaml, config/schema.json and docs/configuration.md, so that none of them can drift. */
import { parseDocument, stringify } from "yaml";
import { ConfigSchema } from "./schema.ts";

interface Node {
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
}

const rootNode = ConfigSchema as unknown as Node;

const STREAM_EXAMPLE = `# streams:
#   - name: studio-a
#     keyFile: secrets/studio-a.key   # or key: a-secret-of-8-characters-or-more
#     alerts: { threshold: 0.9, dwellMs: 4000 }
#   - name: gate
#     urlFile: secrets/gate.url       # or url: rtsp://camera.example/stream1
`;

const RECEIVER_EXAMPLE = `# receivers:
#   - name: desk
#     type: webhook
#     url: https://desk.example/truecast
#     secretFile: secrets/desk.whsec  # made with: echo "whsec_$(openssl rand -base64 32)"
#     rules: [manipulated-face]
#   - name: on-call
#     type: alertmanager
#     url: http://10.0.0.5:9093       # and outbound: { allow: [10.0.0.5] }
#   - name: chat
#     type: slack
#     urlFile: secrets/slack.url
#     kinds: [new, end]
#   - name: mail
#     type: email
#     host: smtp.example
#     username: truecast
#     passwordFile: secrets/smtp.password
#     from: truecast@desk.example
#     to: [duty@desk.example]
`;
const EXAMPLES: Readonly<Record<string, string>> = { streams: STREAM_EXAMPLE, receivers: RECEIVER_EXAMPLE };

/** config/default.yaml: every key with its default, explained. */
export function renderDefaultYaml(): string {
  const lines = comment(`${rootNode.description} Every key is optional; shown are the defaults.`, "");
  for (const [name, node] of Object.entries(rootNode.properties ?? {})) {
    lines.push("", ...comment(node.description ?? "", ""));
    if (node.properties) {
      lines.push(`${name}:`);
      for (const [key, child] of Object.entries(node.properties)) {
        lines.push(...comment(`${child.description ?? ""}${rule(child)}`, "  "), `  ${key}: ${flow(child.default)}`);
      }
    } else {
      const example = EXAMPLES[name];
      if (example !== undefined) lines.push(example.trimEnd());
      lines.push(`${name}: ${flow(node.default)}`);
    }
  }
  const text = `${lines.join("\n")}\n`;
  const problems = parseDocument(text).errors;
  if (problems.length > 0) throw new Error(`rendered configuration is not YAML: ${problems[0]?.message}`);
  return text;
}

/** config/schema.json: JSON Schema for editors. */
export function renderJsonSchema(): string {
  return `${JSON.stringify({ $schema: "https://json-schema.org/draft/2020-12/schema", title: "Truecast configuration", ...ConfigSchema }, null, 2)}\n`;
}

/** docs/configuration.md: the reference page. */
export function renderReference(environmentNames: ReadonlyMap<string, readonly string[]>): string {
  const environmentOf = new Map([...environmentNames].map(([name, path]) => [path.join("."), name]));
  const lines = [
    "# Configuration",
    "",
    "Generated from `config/schema.ts` by `npm run docs`. Start with a copy of [config/default.yaml](../config/default.yaml):",
    "`npm start -- --config my.yaml`; check it with `node scripts/truecast.mjs check-config --config my.yaml`.",
    "Unknown keys and values out of range are refused at start with the key, the value and the rule.",
    "",
    rootNode.description ?? "",
  ];
  for (const [name, node] of Object.entries(rootNode.properties ?? {})) {
    lines.push("", `## ${name}`, "", node.description ?? "");
    const example = EXAMPLES[name];
    if (example !== undefined) lines.push("", "```yaml", example.replaceAll(/^# /gm, "").trimEnd(), "```");
    const children = Object.entries(node.properties ?? node.items?.properties ?? {});
    if (children.length > 0) lines.push("", "| key | default | allowed | meaning | environment |", "|---|---|---|---|---|");
    for (const [key, child] of children) {
      const environment = environmentOf.get(`${name}.${key}`);
      lines.push(row([`\`${key}\``, child.default === undefined ? "–" : `\`${flow(child.default)}\``, allowed(child), child.description ?? "", environment ? `\`${environment}\`` : "–"]));
    }
    const nested = node.items?.properties?.["alerts"]?.properties;
    if (nested) {
      lines.push("", "`alerts` of a stream:", "", "| key | allowed | meaning |", "|---|---|---|");
      for (const [key, child] of Object.entries(nested)) lines.push(row([`\`${key}\``, allowed(child), child.description ?? ""]));
    }
    if (!node.properties) lines.push("", `Default \`${flow(node.default)}\`, environment \`${environmentOf.get(name) ?? ""}\`.`);
  }
  return `${lines.join("\n")}\n`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function rule(node: Node): string {
  const text = allowed(node);
  return text === "–" ? "" : ` Allowed: ${text.replaceAll("`", "").replaceAll("\\|", "|")}.`;
}

function allowed(node: Node): string {
  if (node.anyOf) {
    return node.anyOf.map((option) => ("const" in option ? `\`${String(option.const)}\`` : option.type === "null" ? "`null`" : allowed(option) === "–" ? (option.type ?? "") : allowed(option))).join(", ");
  }
  if (node.minimum !== undefined) return `${node.minimum} to ${node.maximum}`;
  if (node.pattern !== undefined) return `\`${node.pattern}\``;
  return node.type === "boolean" ? "`true`, `false`" : "–";
}

function flow(value: unknown): string {
  return stringify(value, { collectionStyle: "flow" }).trim();
}

function comment(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line.length + word.length > 110) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line].map((part) => `${indent}# ${part}`);
}
