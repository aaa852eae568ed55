/** The command line: reads the arguments, runs one command, turns errors into one clear line and an exit code. */
import { Command, CommanderError } from "commander";
import { TruecastError } from "../../pipelines/errors.ts";
import { ConfigError } from "../../config/load.ts";
import { version } from "../version.ts";
import type { EvaluateOptions } from "./evaluate.ts";
import type { DeleteOptions } from "./evidence.ts";
import type { ExtractOptions } from "./extract.ts";
import type { CreateOptions, ListOptions } from "./token.ts";

/** Commands are loaded when they run: `check-config` must not wait for the whole daemon. */
function build(): Command {
  const program = new Command("truecast").description("Watches live video for deepfaked faces.").version(version).showHelpAfterError();
  const configOption = ["-c, --config <file>", "configuration (YAML); without it every key has its default"] as const;
  program
    .command("start")
    .description("run the daemon")
    .option(...configOption)
    .action(async (options: { config?: string }) => (await import("./start.ts")).start(options));
  program
    .command("demo")
    .description("run the daemon and feed it two real RTMP streams of one scene, in one of them with the face swapped")
    .option("--video <file>", "publish this file instead")
    .option("--model <name>", "model folder; default: the configured one, edge")
    .action(async (options: { video?: string; model?: string }) => (await import("./demo.ts")).demo(options));
  program
    .command("doctor")
    .description("check ffmpeg, model, ports, provider and dashboard, and say what to do")
    .option(...configOption)
    .action(async (options: { config?: string }) => (await import("./doctor.ts")).doctor(options));
  program
    .command("check-config")
    .description("check a configuration without starting anything")
    .option(...configOption)
    .action(async (options: { config?: string }) => (await import("./check-config.ts")).checkConfig(options));
  const token = program.command("token").description("access tokens for the HTTP interface; see docs/access.md");
  token
    .command("create")
    .description("make a token; its secret is printed this once")
    .argument("<name>", "who or what will hold it")
    .option(...configOption)
    .requiredOption("--role <role>", "viewer, reviewer, admin or publisher")
    .option("--streams <list>", "the only streams it is about, with commas between them; default: all")
    .option("--expires <duration>", "ends after this long, for example 12h or 90d; default: never")
    .action(async (name: string, options: CreateOptions) => (await import("./token.ts")).createToken(name, options));
  token
    .command("list")
    .description("all tokens, ended ones included")
    .option(...configOption)
    .option("--json", "as JSON")
    .action(async (options: ListOptions) => (await import("./token.ts")).listTokens(options));
  token
    .command("revoke")
    .description("end a token at once")
    .argument("<id or name>", "as `token list` shows it")
    .option(...configOption)
    .action(async (which: string, options: { config?: string }) => (await import("./token.ts")).revokeToken(which, options));
  program
    .command("analyze")
    .description("run a recording through the live pipeline as fast as the machine allows")
    .argument("<input>", "file or http(s) URL")
    .option("--json", "JSON lines on standard output: every score, and the verdict last")
    .option("--model <name>", "model folder", "edge")
    .option("--models-dir <dir>", "folder of model folders")
    .option("--provider <name>", "auto, cpu, cuda or webgpu", "auto")
    .action(async (input: string, options: { json?: boolean; model: string; modelsDir?: string; provider: string }) => (await import("./analyze.ts")).analyze(input, options));
  program
    .command("extract")
    .description("cut the face crops that the daemon would cut, as files that training reads")
    .argument("[files...]", "clips, where there is no manifest")
    .option("--manifest <file>", "CSV with the columns file, label, type, group")
    .requiredOption("--out <dir>", "folder for the crops and index.jsonl; a second run goes on from there")
    .option("--bitrates <list>", "re-encode to H.264 at these kbit/s; source is the clip as it is", "source")
    .option("--height <px>", "height of re-encoded clips", "480")
    .option("--max-seconds <n>", "leave each clip after this much of it")
    .option("--size <px>", "side of the crops; default: the model's")
    .option("--margin <factor>", "side of the crop over the longer side of the face; default: the model's")
    .option("--model <name>", "model folder that gives size and margin", "edge")
    .option("--models-dir <dir>", "folder of model folders")
    .option("--jobs <n>", "clips at a time", "1")
    .action(async (files: string[], options: ExtractOptions) => (await import("./extract.ts")).extract(files, options));
  program
    .command("evaluate")
    .description("run labelled clips through the live pipeline and report how good the model is")
    .requiredOption("--manifest <file>", "CSV with the columns file, label (real or fake), type, group")
    .option("--out <dir>", "folder for report.md, report.json, pictures and kept scores; a second run goes on from there", "evaluation")
    .option("--bitrates <list>", "channels: source is the clip as it is, a number re-encodes to H.264 at these kbit/s", "source,300,800,2500")
    .option("--height <px>", "height of re-encoded clips", "480")
    .option("--max-seconds <n>", "leave each clip after this much of it")
    .option("--model <name>", "model folder", "edge")
    .option("--models-dir <dir>", "folder of model folders")
    .option("--provider <name>", "auto, cpu, cuda or webgpu", "auto")
    .option("--jobs <n>", "clips at a time", "1")
    .option("--seed <n>", "seed of the bootstrap", "1")
    .option("-c, --config <file>", "configuration whose alert rule is judged; default: the default rule")
    .action(async (options: EvaluateOptions) => (await import("./evaluate.ts")).evaluate(options));
  const evidence = program.command("evidence").description("verify, list and delete what was kept of alerts");
  evidence
    .command("verify")
    .description("say what in a folder of evidence was changed, taken out, added or reordered; exit code 0: nothing, 1: something, 2: cannot tell")
    .argument("<dir>", "the evidence folder, or the folder of one incident")
    .option("--public-key <file>", "a copy of public-key.pem that was kept elsewhere")
    .action(async (dir: string, options: { publicKey?: string }) => (await import("./evidence.ts")).verify(dir, options));
  evidence
    .command("list")
    .description("what is kept, oldest first")
    .option(...configOption)
    .option("--stream <name>", "only this stream")
    .action(async (options: { config?: string; stream?: string }) => (await import("./evidence.ts")).list(options));
  evidence
    .command("delete")
    .description("delete the evidence and the alerts of an incident or of a stream; what is under legal hold stays")
    .option(...configOption)
    .option("--incident <id>", "the alert's UUID")
    .option("--stream <name>", "all of a stream")
    .option("--keep-alerts", "leave the alerts in the store")
    .action(async (options: DeleteOptions) => (await import("./evidence.ts")).remove(options));
  return program.exitOverride();
}

try {
  process.exitCode = (await build().parseAsync().then(() => process.exitCode)) ?? 0;
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode;
  } else if (error instanceof TruecastError || error instanceof ConfigError) {
    const lines = error instanceof ConfigError ? error.problems.map((problem) => `  ${problem}`) : [];
    process.stderr.write(lines.length > 1 ? `truecast: the configuration cannot be used [${error.code}]\n${lines.join("\n")}\n` : `truecast: ${error.message} [${error.code}]\n`);
    process.exitCode = 1;
  } else {
    process.stderr.write(`truecast: a defect in Truecast: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 70;
  }
}
