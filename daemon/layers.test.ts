/** Holds the rule of the layers (docs/architecture.md): who may import whom. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function importsOf(pattern: string): Import[] {
  return globSync(pattern, { cwd: root, exclude: (name) => name.includes("node_modules") || name.includes("dist") })
    .filter((file) => !/\.test\.tsx?$|\/testing\//.test(file))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^;"']*?from\s+["'](\.[^"']+)["']/gms)].map((match) => ({
        from: file,
        to: normalize(join(dirname(file), match[2] ?? "")),
        typeOnly: match[1] !== undefined,
      }));
    });
}

const inside = (folder: string) => (path: string) => path.startsWith(`${folder}/`);

test("pipelines import nothing of Truecast but pipelines", () => {
  const imports = importsOf("pipelines/**/*.ts");
  expect(imports.length).toBeGreaterThan(20);
  expect(imports.filter(({ to }) => !inside("pipelines")(to))).toEqual([]);
});

test("models import only themselves and the ports of pipelines", () => {
  const imports = importsOf("models/**/*.ts");
  expect(imports.length).toBeGreaterThan(3);
  expect(imports.filter(({ to }) => !inside("models")(to) && !inside("pipelines")(to))).toEqual([]);
});

test("config imports only itself", () => {
  expect(importsOf("config/**/*.ts").filter(({ to }) => !inside("config")(to))).toEqual([]);
});

test("ingest, alerts, store, http, access, inference, analysis, evidence and delivery do not import each other", () => {
  const parts = ["ingest", "alerts", "store", "http", "access", "inference", "analysis", "evidence", "delivery"];
  const crossing = parts.flatMap((part) =>
    importsOf(`daemon/${part}/**/*.ts`).filter(({ to, typeOnly }) => parts.some((other) => other !== part && inside(`daemon/${other}`)(to)) && !typeOnly),
  );
  // An analysis process is a client of the inference process: it composes two parts, as daemon.ts composes the rest.
  expect(crossing.filter(({ from }) => from !== "daemon/analysis/analysis-process.ts")).toEqual([]);
});

test("what guards outbound connections imports nothing but the table of errors", () => {
  const imports = importsOf("daemon/outbound/**/*.ts").filter(({ to }) => !inside("daemon/outbound")(to));
  expect(new Set(imports.map(({ to }) => to))).toEqual(new Set(["pipelines/errors.ts"]));
});

test("no part but the guard opens connections of its own to where a user points", () => {
  const users = globSync("daemon/{ingest,alerts,http,delivery}/**/*.ts", { cwd: root }).filter((file) => !/\.test\.ts$|\/testing\//.test(file) && /from "node:(?:https|tls|dns)/.test(readFileSync(join(root, file), "utf8")));
  // It serves TLS on sockets that were accepted, and connects nowhere.
  expect(users).toEqual(["daemon/ingest/tls-terminal.ts"]);
  expect(readFileSync(join(root, users[0] ?? ""), "utf8")).toContain('import { type TLSSocket, createServer } from "node:tls";');
});

test("the dashboard takes only types, and only the protocol and the pipeline's vocabulary", () => {
  const outward = importsOf("dashboard/**/*.{ts,tsx}").filter(({ to }) => !inside("dashboard")(to));
  expect(outward.length).toBeGreaterThan(0);
  expect(outward.filter(({ to, typeOnly }) => !typeOnly || !["daemon/protocol.ts", "daemon/access-protocol.ts", "pipelines/types.ts"].includes(to))).toEqual([]);
});

test("only the composition root and the command line start the daemon's parts", () => {
  const starters = importsOf("daemon/**/*.ts").filter(({ to, from }) => to === "daemon/http/server.ts" && !inside("daemon/http")(from));
  expect(starters.map(({ from }) => from)).toEqual(["daemon/daemon.ts"]);
});
