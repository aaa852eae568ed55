/** `truecast check-config`: says whether a configuration can be used. */
import { loadConfig } from "../../config/load.ts";

export function checkConfig({ config: file }: { readonly config?: string }): void {
  const { config, streams } = loadConfig({ file, environment: process.env });
  const names = streams.length === 0 ? "studio (key will be generated)" : streams.map(({ name }) => name).join(", ");
  console.log(`${file ?? "default configuration"}: ok`);
  console.log(`  streams    ${names}`);
  console.log(`  rtmp       ${config.rtmp.host}:${config.rtmp.port}`);
  console.log(`  http       ${config.http.host}:${config.http.port}`);
  console.log(`  model      ${config.inference.model} on ${config.inference.provider}`);
}
