/** Test child: claims a data folder, says which runtime folder it made, and stays until it is killed. */
import pino from "pino";
import { claimDataFolder } from "../data-folder.ts";

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error("give the data folder");
const folder = claimDataFolder(dataDir, pino({ level: "silent" }));
process.send?.(await folder.makeRuntimeFolder());
