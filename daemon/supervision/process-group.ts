/** A supervised child leads a process group, so that what it has started can be ended when it no longer can do so itself. */

/**
 * SIGKILL to whoever is still in the group of this leader. An ffmpeg that is frozen, spins or waits for a connection does not
 * notice that its owner is gone, and would keep memory, processor or port for ever.
 */
export function killGroup(leaderPid: number): void {
  try {
    process.kill(-leaderPid, "SIGKILL");
  } catch (error) {
    // Nobody is left, as after every orderly end.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
