/** `truecast check-config`: says whether a configuration can be used. */
import { loadConfig } from "../../config/load.ts";
import { createReceivers } from "../receivers.ts";
import { createSources } from "../sources.ts";
import { readTlsCertificate } from "../tls-certificate.ts";

/** What was added over HTTP is not the configuration's concern. */
const NO_TABLE = { sources: () => [], putSource: () => undefined, removeSource: () => false };

export function checkConfig({ config: file }: { readonly config?: string }): void {
  const { config, streams, sources, rtmps, receivers } = loadConfig({ file, environment: process.env });
  createSources({ configured: sources, published: new Set(), table: NO_TABLE, maxSources: config.pull.maxSources, allow: config.outbound.allow });
  createReceivers({ configured: receivers, config });
  const certificate = rtmps && readTlsCertificate(rtmps);
  const names = streams.length + sources.length === 0 ? "studio (key will be generated)" : [...streams, ...sources].map(({ name }) => name).join(", ");
  console.log(`${file ?? "default configuration"}: ok`);
  console.log(`  streams    ${names}`);
  console.log(`  rtmp       ${config.rtmp.host}:${config.rtmp.port}`);
  console.log(`  rtmps      ${rtmps && certificate ? `${config.rtmp.host}:${rtmps.port}, ${certificate.names}, until ${new Date(certificate.validUntil).toISOString()}` : "off"}`);
  console.log(`  whip       ${config.whip.enabled ? `${config.whip.host}:${config.whip.port}, UDP ${config.whip.udpPort}` : "off"}`);
  console.log(`  http       ${config.http.host}:${config.http.port}`);
  console.log(`  receivers  ${receivers.length === 0 ? "none" : receivers.map(({ name, type }) => `${name} (${type})`).join(", ")}`);
  console.log(`  model      ${config.inference.model} on ${config.inference.provider}`);
}
