/** A stretch of network between publishers and the media socket: loses, repeats and reorders datagrams, the same ones in every run. */
import { type Socket, createSocket } from "node:dgram";
import { once } from "node:events";
import { seededRandom } from "../../../testing/seeded-random.ts";

export interface RelayFaults {
  /** Share of the datagrams towards the server. */
  readonly loss: number;
  readonly reorder: number;
  readonly repeat: number;
}

export interface UdpRelay extends AsyncDisposable {
  readonly port: number;
  targetPort: number;
  faults: RelayFaults;
  /** Towards the server so far. */
  readonly counts: { readonly passed: number; readonly lost: number };
}

const HELD_MS = 25;

export async function startUdpRelay(): Promise<UdpRelay> {
  const front = createSocket("udp4");
  /** One socket towards the server for each client, as a NAT has. */
  const backs = new Map<string, Socket>();
  const random = seededRandom(9_725);
  const counts = { passed: 0, lost: 0 };
  const relay = { targetPort: 0, faults: { loss: 0, reorder: 0, repeat: 0 } as RelayFaults };

  front.on("message", (bytes, client) => {
    const name = `${client.address}:${client.port}`;
    let back = backs.get(name);
    if (back === undefined) {
      back = createSocket("udp4");
      back.on("message", (answer) => front.send(answer, client.port, client.address));
      backs.set(name, back);
    }
    const towards = back;
    const pass = () => {
      counts.passed += 1;
      towards.send(bytes, relay.targetPort, "127.0.0.1");
    };
    const isMedia = (bytes[0] ?? 0) >= 128;
    if (isMedia && random() < relay.faults.loss) {
      counts.lost += 1;
      return;
    }
    if (isMedia && random() < relay.faults.reorder) setTimeout(pass, HELD_MS);
    else pass();
    if (isMedia && random() < relay.faults.repeat) pass();
  });
  front.bind(0, "127.0.0.1");
  await once(front, "listening");
  return Object.assign(relay, {
    port: front.address().port,
    counts,
    async [Symbol.asyncDispose]() {
      for (const socket of [front, ...backs.values()]) {
        const closed = once(socket, "close");
        socket.close();
        await closed;
      }
    },
  });
}
