/** Entry of the pull process: bytes of foreign servers are fetched and parsed here and nowhere else. Forked by the daemon, IPC `advanced`. */
import { runChild, sendToDaemon } from "../../supervision/child-lifecycle.ts";
import type { PullCommand, PullOptions } from "./messages.ts";
import { startPullSources } from "./pull-sources.ts";

runChild<PullOptions, { readonly pid: number }, PullCommand>(async (options) => {
  const sources = startPullSources({ ...options, onEvent: sendToDaemon });
  return { info: { pid: process.pid }, onCommand: (command) => sources.apply(command), close: () => sources.close() };
});
