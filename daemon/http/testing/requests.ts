/** A plain HTTP client for tests: unlike fetch it lets a test choose Host, Origin and the path as it is. */
import { type IncomingHttpHeaders, request as startRequest } from "node:http";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import { expect } from "vitest";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  json(): unknown;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export function ask(url: string, path: string, { method = "GET", headers = {}, body }: Ask = {}): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = startRequest({ hostname: hostname.replace(/^\[|\]$/g, ""), port, path, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const whole = Buffer.concat(parts);
        const text = whole.toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, text, json: () => JSON.parse(text) as unknown });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Fails with what differs, not only that something does. */
export function expectMatches(schema: TSchema, value: unknown): void {
  expect([...Value.Errors(schema, value)]).toEqual([]);
  expect(Value.Check(schema, value)).toBe(true);
}
