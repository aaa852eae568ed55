/** The Ed25519 key (RFC 8032) that signs the evidence log: made at the first start, readable by its user alone, its public half exported. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { access, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { TruecastError } from "../../pipelines/errors.ts";
import { writeDurably } from "./durable-files.ts";

export const PRIVATE_KEY_FILE = "signing-key.pem";
export const PUBLIC_KEY_FILE = "public-key.pem";

export interface SigningKey {
  readonly publicKey: KeyObject;
  /** SHA-256 over the public key's DER (SubjectPublicKeyInfo), hex: what people compare. */
  readonly fingerprint: string;
  readonly fresh: boolean;
  sign(content: string): Buffer;
}

/** @throws TruecastError evidence-failed when what is there is no Ed25519 key; the system's error when it cannot be read or written */
export async function openSigningKey(folder: string): Promise<SigningKey> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, PRIVATE_KEY_FILE);
  const kept = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  const privateKey = kept === null ? generateKeyPairSync("ed25519").privateKey : readPrivateKey(kept, path);
  if (kept === null) await writeDurably(path, privateKey.export({ type: "pkcs8", format: "pem" }));
  const publicKey = createPublicKey(privateKey);
  const exported = join(folder, PUBLIC_KEY_FILE);
  const hasPublicKey = await access(exported).then(() => true, () => false);
  if (kept === null || !hasPublicKey) await writeDurably(exported, publicKey.export({ type: "spki", format: "pem" }), 0o644);
  return { publicKey, fingerprint: fingerprintOf(publicKey), fresh: kept === null, sign: (content) => sign(null, Buffer.from(content), privateKey) };
}

/** @throws TruecastError evidence-failed */
export function readPublicKey(pem: string | Uint8Array, where: string): KeyObject {
  return ed25519(() => createPublicKey(Buffer.from(pem)), where, "public");
}

export function isSignedBy(content: string, signature: Buffer, publicKey: KeyObject): boolean {
  return verify(null, Buffer.from(content), publicKey, signature);
}

export function fingerprintOf(publicKey: KeyObject): string {
  return createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("hex");
}

function readPrivateKey(pem: Buffer, where: string): KeyObject {
  return ed25519(() => createPrivateKey(pem), where, "private");
}

function ed25519(read: () => KeyObject, where: string, half: string): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (error) {
    throw new TruecastError("evidence-failed", `${where} holds no ${half} key in PEM`, { cause: error });
  }
  if (key.asymmetricKeyType !== "ed25519") throw new TruecastError("evidence-failed", `${where} holds a key of type ${key.asymmetricKeyType ?? "unknown"}, not Ed25519`);
  return key;
}
