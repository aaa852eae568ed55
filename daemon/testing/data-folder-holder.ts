/** Test child: claims a data folder, says which runtime folder it made, and stays until it is killed. */
import pino from "pino";
import { claimDataFolder } from "../data-folder.ts";

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error("give the data folder");
const folder = claimDataFolder(dataDir, pino({ level: "silent" }));
// Nothing else would keep this process, and with it the lock.
process.on("disconnect", () => void folder.close());
process.send?.(await folder.makeRuntimeFolder());
