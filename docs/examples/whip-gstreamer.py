#!/usr/bin/python3
"""Publishes a video file to Truecast over WHIP with GStreamer's webrtcbin, where GStreamer has no WHIP sink of its own.

    whip-gstreamer.py http://HOST:8481/whip/STREAM STREAM_KEY VIDEO

Debian 12: apt-get install python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice gstreamer1.0-plugins-ugly
gstreamer1.0-libav. For a camera put `v4l2src ! videoconvert` in place of the source. webrtcbin uses no loopback
address: set whip.host to 0.0.0.0 or to one of the machine's.
"""
import sys
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = (
    "webrtcbin name=peer bundle-policy=max-bundle "
    # clocksync: a file is read in real time.
    'filesrc location="{file}" ! decodebin ! videoconvert ! clocksync ! queue '
    "! x264enc tune=zerolatency speed-preset=veryfast bitrate=2500 key-int-max=60 ! video/x-h264,profile=constrained-baseline "
    "! rtph264pay config-interval=-1 aggregate-mode=zero-latency "
    "! application/x-rtp,media=video,encoding-name=H264,payload=102 ! peer."
)


def main(endpoint, key, file):
    authorization = {"Authorization": f"Bearer {key}"}
    Gst.init(None)
    pipeline = Gst.parse_launch(PIPELINE.format(file=file))
    peer = pipeline.get_by_name("peer")
    loop = GLib.MainLoop()
    session = None
    outcome = 0

    def end(status, message):
        nonlocal outcome
        outcome = status
        print(message, file=sys.stderr)
        loop.quit()

    def offered(promise):
        promise.wait()
        # Owns the offer: it must live as long as that is used.
        reply = promise.get_reply()
        peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(*_):
        nonlocal session
        if session is not None or peer.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        offer = peer.get_property("local-description").sdp.as_text().encode()
        try:
            response = urllib.request.urlopen(urllib.request.Request(endpoint, offer, {"Content-Type": "application/sdp", **authorization}))
        except urllib.error.HTTPError as error:
            return end(1, f"{error.status} {error.read().decode()}")
        except OSError as error:
            return end(1, str(error))
        session = urllib.parse.urljoin(endpoint, response.headers["Location"])
        _, answer = GstSdp.SDPMessage.new_from_text(response.read().decode())
        peer.emit("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer), None)

    def connection_changed(*_):
        state = peer.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            print("on air", file=sys.stderr)
        elif state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            end(1, "The connection failed.")

    peer.connect("on-negotiation-needed", lambda _: peer.emit("create-offer", None, Gst.Promise.new_with_change_func(offered)))
    peer.connect("notify::ice-gathering-state", gathered)
    peer.connect("notify::connection-state", connection_changed)
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::eos", lambda *_: end(0, "The video is over."))
    bus.connect("message::error", lambda _, message: end(1, message.parse_error()[0].message))
    pipeline.set_state(Gst.State.PLAYING)
    try:
        loop.run()
    except KeyboardInterrupt:
        pass
    if session is not None:
        try:
            urllib.request.urlopen(urllib.request.Request(session, method="DELETE", headers=authorization))
        except OSError:
            pass  # It has ended already.
    pipeline.set_state(Gst.State.NULL)
    return outcome


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
