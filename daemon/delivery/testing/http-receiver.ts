/** A real HTTP server that takes deliveries, for tests. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Delivered {
  readonly headers: IncomingHttpHeaders;
  readonly url: string;
  readonly body: string;
}

export type Answer = { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string } | "hang" | "cut";

export interface HttpReceiver extends AsyncDisposable {
  readonly url: URL;
  /** Those answered with 2xx, in their order. */
  readonly taken: Delivered[];
  readonly refused: Delivered[];
  /** What it answers from now on. */
  answer: (delivered: Delivered) => Answer;
}

export async function startHttpReceiver(port = 0): Promise<HttpReceiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const delivered = { headers: request.headers, url: request.url ?? "", body: Buffer.concat(chunks).toString() };
      const answer = receiver.answer(delivered);
      if (answer === "hang") return;
      if (answer === "cut") return void request.socket.destroy();
      (answer.status < 300 ? receiver.taken : receiver.refused).push(delivered);
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const receiver: HttpReceiver = {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=hidden`),
    taken: [],
    refused: [],
    answer: () => ({ status: 204 }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return receiver;
}
