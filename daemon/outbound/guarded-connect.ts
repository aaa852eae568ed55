/** TCP and TLS connections through the guard: to the pinned address, with the certificate checked against the name. */
import { once } from "node:events";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { TruecastError } from "../../pipelines/errors.ts";
import { errorName, type OutboundGuard } from "./outbound-guard.ts";

export interface ConnectTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** @throws TruecastError address-refused, unreachable; the signal's reason when aborted */
export async function guardedConnect(guard: OutboundGuard, { host, port, tls, timeoutMs, signal }: ConnectTarget): Promise<Socket> {
  const pinned = await guard.pin(host);
  signal.throwIfAborted();
  const where = { host: pinned.address, port };
  const socket = tls ? connectTls({ ...where, ...(isIP(pinned.name) === 0 ? { servername: pinned.name } : {}) }) : connectTcp(where);
  const timer = setTimeout(() => socket.destroy(new TruecastError("unreachable", `${pinned.name}:${port} did not answer within ${timeoutMs / 1000} s.`)), timeoutMs);
  const abort = (): void => void socket.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await once(socket, tls ? "secureConnect" : "connect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    if (error instanceof TruecastError) throw error;
    throw new TruecastError("unreachable", `${pinned.name}:${port} cannot be reached (${errorName(error)}).`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
