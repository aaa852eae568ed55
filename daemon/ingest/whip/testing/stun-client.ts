/** ICE checks as a client sends them, built apart from the code under test. */
import { createHmac, randomBytes } from "node:crypto";

export interface CheckOptions {
  readonly username: string;
  readonly password: string;
  readonly transactionId?: Buffer;
  readonly controlled?: boolean;
  readonly nominates?: boolean;
}

export function bindingRequest({ username, password, transactionId = randomBytes(12), controlled = false, nominates = true }: CheckOptions): Buffer {
  const attribute = (type: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(type, 0);
    head.writeUInt16BE(value.length, 2);
    return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
  };
  const attributes = Buffer.concat([attribute(0x0006, Buffer.from(username)), attribute(0x0024, Buffer.from([0x6e, 0, 1, 0xff])), attribute(controlled ? 0x8029 : 0x802a, randomBytes(8)), ...(nominates ? [attribute(0x0025, Buffer.alloc(0))] : [])]);
  const header = Buffer.from("000100002112a442", "hex");
  header.writeUInt16BE(attributes.length + 24, 2);
  const signed = Buffer.concat([header, transactionId, attributes]);
  return Buffer.concat([signed, attribute(0x0008, createHmac("sha1", password).update(signed).digest())]);
}
