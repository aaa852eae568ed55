/** Test support: certificates signed by themselves, made by openssl. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface SelfSigned {
  readonly certFile: string;
  readonly keyFile: string;
  /** PEM. */
  readonly certificate: string;
}

export interface SelfSignedOptions {
  readonly folder: string;
  /** Of the two files. */
  readonly name: string;
  /** Negative: it has expired. */
  readonly days?: number;
}

/** For localhost and 127.0.0.1. */
export async function makeSelfSigned({ folder, name, days = 30 }: SelfSignedOptions): Promise<SelfSigned> {
  const certFile = join(folder, `${name}.pem`);
  const keyFile = join(folder, `${name}.key`);
  const requestFile = join(folder, `${name}.csr`);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile];
  await run("openssl", ["req", "-new", ...key, "-out", requestFile, "-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
  // Signed apart from the request, for `req -x509` makes none that has expired.
  await run("openssl", ["x509", "-req", "-in", requestFile, "-signkey", keyFile, "-copy_extensions", "copy", "-days", String(days), "-out", certFile]);
  return { certFile, keyFile, certificate: await readFile(certFile, "utf8") };
}
