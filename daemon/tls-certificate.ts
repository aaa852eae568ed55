/** A certificate and its key from their files, each fault named with the file it lies in. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { TruecastError } from "../pipelines/errors.ts";

export interface CertificateFiles {
  /** PEM, the server's own certificate first, then those between it and a root. */
  readonly certFile: string;
  /** PEM, without passphrase. */
  readonly keyFile: string;
}

export interface TlsCertificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Names that it is good for, as it lists them; else its subject. */
  readonly names: string;
  /** Milliseconds since the Unix epoch. */
  readonly validUntil: number;
}

/** @throws TruecastError config-invalid */
export function readTlsCertificate({ certFile, keyFile }: CertificateFiles): TlsCertificate {
  const cert = read("rtmps.certFile", certFile);
  const certificate = attempt("rtmps.certFile", { file: certFile, fault: "it holds no certificate in PEM" }, () => new X509Certificate(cert));
  const key = read("rtmps.keyFile", keyFile);
  const privateKey = attempt("rtmps.keyFile", { file: keyFile, fault: "it holds no private key in PEM, or one with a passphrase" }, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) throw invalid(`\`rtmps.keyFile\` is "${keyFile}" but its key does not belong to the certificate in "${certFile}"`);
  // Weak keys and a damaged certificate behind the first are only found here.
  attempt("rtmps.certFile", { file: certFile, fault: "TLS cannot use it" }, () => createSecureContext({ cert, key }));
  return { cert, key, names: certificate.subjectAltName ?? certificate.subject.replaceAll("\n", ", "), validUntil: certificate.validToDate.getTime() };
}

function read(key: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw invalid(`\`${key}\` is "${file}" but the file cannot be read (${code})`, error);
  }
}

function attempt<T>(key: string, { file, fault }: { readonly file: string; readonly fault: string }, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw invalid(`\`${key}\` is "${file}" but ${fault}`, error);
  }
}

function invalid(message: string, cause?: unknown): TruecastError {
  return new TruecastError("config-invalid", message, { cause });
}
