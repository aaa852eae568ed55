/** TLS for accepted sockets, with a certificate that follows its files: open connections keep theirs, new ones get the newest that can be used. */
import { statSync } from "node:fs";
import type { Socket } from "node:net";
import { type TLSSocket, createServer } from "node:tls";
import { TruecastError } from "../../pipelines/errors.ts";
import { type CertificateFiles, type TlsCertificate, readTlsCertificate } from "../tls-certificate.ts";

export type CertificateNews = { readonly kind: "loaded"; readonly certificate: TlsCertificate } | { readonly kind: "refused"; readonly error: TruecastError };

export interface TlsTerminalOptions {
  readonly files: CertificateFiles;
  readonly handshakeTimeoutMs: number;
  /** Between looks at the files. They are asked by name: certificates are renewed by links that change where they lead. */
  readonly certificateCheckMs: number;
  /** The handshake is through. */
  readonly onSecured: (socket: TLSSocket) => void;
  /** The handshake failed; the socket is destroyed after this. */
  readonly onFailed: (socket: TLSSocket, error: NodeJS.ErrnoException) => void;
  readonly onCertificate: (news: CertificateNews) => void;
}

export interface TlsTerminal {
  /** Takes the socket over. */
  take(socket: Socket): void;
  close(): void;
}

/** @throws TruecastError config-invalid for a certificate that cannot be used at the start */
export function startTlsTerminal({ files, onCertificate, ...options }: TlsTerminalOptions): TlsTerminal {
  // Asked before they are read: a change in between is seen at the next look.
  let seen = stateOf(files);
  const first = readTlsCertificate(files);
  // It listens nowhere: sockets are handed to it, so that all caps are those of the listener before it.
  const server = createServer({ ...contextOf(first), handshakeTimeout: options.handshakeTimeoutMs }, options.onSecured);
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
    options.onFailed(socket, error);
    socket.destroy();
  });
  onCertificate({ kind: "loaded", certificate: first });

  const checks = setInterval(() => {
    const state = stateOf(files);
    if (state === seen) return;
    seen = state;
    try {
      const certificate = readTlsCertificate(files);
      server.setSecureContext(contextOf(certificate));
      onCertificate({ kind: "loaded", certificate });
    } catch (error) {
      // Half of a pair that is being replaced, or a mistake: the one in use stays, and the next change is another try.
      onCertificate({ kind: "refused", error: error instanceof TruecastError ? error : new TruecastError("config-invalid", `The certificate in "${files.certFile}" cannot be used.`, { cause: error }) });
    }
  }, options.certificateCheckMs);

  return {
    take: (socket) => void server.emit("connection", socket),
    close: () => clearInterval(checks),
  };
}

function contextOf({ cert, key }: TlsCertificate) {
  return { cert, key, minVersion: "TLSv1.2" } as const;
}

/** Differs whenever the content may. */
function stateOf({ certFile, keyFile }: CertificateFiles): string {
  return [certFile, keyFile]
    .map((file) => {
      try {
        const stat = statSync(file, { bigint: true });
        return `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
      } catch (error) {
        // Absent, a folder closed to this user, a file server that is away: told by whoever reads the file then.
        return (error as NodeJS.ErrnoException).code ?? "unknown";
      }
    })
    .join(", ");
}
