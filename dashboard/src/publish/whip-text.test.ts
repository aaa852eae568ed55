/** Link headers and SDP fragments as WHIP has them. */
import { expect, test } from "vitest";
import { candidateFragment, iceServersOf } from "./whip-text.ts";

test("ICE servers are read from Link headers, however many and whatever their credentials hold", () => {
  const header = '<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; username="us,er"; credential="pass\\"word; x"; credential-type="password", <https://example.net/>; rel="help"';
  expect(iceServersOf(header)).toEqual([{ urls: "stun:stun.example.net" }, { urls: "turn:turn.example.net?transport=udp", username: "us,er", credential: 'pass"word; x' }]);
});

test("what is no ICE server is left out", () => {
  for (const header of [null, "", "nonsense", '<https://a.example>; rel="ice-server"', "<stun:a.example>; rel=other"]) expect(iceServersOf(header)).toEqual([]);
});

test("a fragment names the ICE session, the first media line, its mid and all candidates", () => {
  const offer = ["v=0", "a=group:BUNDLE 0", "m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=ice-ufrag:EsAw", "a=ice-pwd:secret", "a=mid:0", "a=rtpmap:96 VP8/90000", ""].join("\r\n");
  expect(candidateFragment(offer, ["candidate:1 1 udp 1 192.0.2.1 9 typ host"])).toBe(
    ["a=ice-ufrag:EsAw", "a=ice-pwd:secret", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host", "a=end-of-candidates", ""].join("\r\n"),
  );
});
