"""Drives a loopback simulator of fal with fal's own Python client, unchanged.

Usage: fal_client_roundtrip.py BASE_URL WAV_FILE

Uploads files whole and in parts, generates, subscribes, hears a webhook, cancels, and is refused.
Prints one JSON line with the request ids on stdout and every failure on stderr; exit code 0 when there
is none, else 1.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from media import png

os.environ.setdefault("FAL_KEY", "loopback:only")
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

import fal_client  # noqa: E402  (reads the environment)
import fal_client.client  # noqa: E402

MODEL = "bytedance/seedance-2.0/fast"
FRAMES = 96
PATIENCE_SECONDS = 60
PART_BYTES = 1 << 20

failures = []


def main():
    base, wav = sys.argv[1].rstrip("/"), Path(sys.argv[2])
    fal_client.client.QUEUE_URL_FORMAT = f"{base}/"
    fal_client.client.REST_URL = f"{base}/rest"
    fal_client.client.CDN_URL = f"{base}/cdn"
    # The client's own settings: what is larger is sent in parts of this size, several at a time.
    fal_client.client.MULTIPART_THRESHOLD = PART_BYTES
    fal_client.client.MULTIPART_CHUNK_SIZE = PART_BYTES
    ids = {}
    for step in [generate, subscribe, upload_in_parts, hear, cancel, be_refused]:
        try:
            step(ids, wav)
        except Exception as error:  # each step is tried, whatever the one before it met
            failures.append(f"{step.__name__}: {type(error).__name__}: {error}")
    print(json.dumps(ids))
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def same(what, found, expected):
    if found != expected:
        failures.append(f"{what}: found {found!r}, expected {expected!r}")


# The steps


def generate(ids, wav):
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "frame.png")
        image.write_bytes(png(512, 512))
        arguments = {
            "prompt": "@Image1 says @Audio1",
            "image_urls": [upload(image)],
            "audio_urls": [upload(wav)],
            "duration": "4",
            "resolution": "480p",
        }
        handle = fal_client.submit(f"{MODEL}/reference-to-video", arguments)
        ids["generated"] = handle.request_id
        logs, last = follow(handle)
        same("generate: error of the completed job", last.error, None)
        same("generate: any log line", bool(logs), True)
        check_video(handle.get()["video"], Path(folder, "answer.mp4"))


def upload(path):
    # Naming the first choice as the fallback too leaves no other way in, which would hide a fault.
    return fal_client.upload_file(path, fallback_repository="fal_v3")


def subscribe(ids, _wav):
    updates = []
    arguments = {"prompt": "a street in the sun", "duration": "4", "resolution": "480p"}
    answer = fal_client.subscribe(
        f"{MODEL}/text-to-video",
        arguments,
        with_logs=True,
        on_enqueue=lambda request_id: ids.update(subscribed=request_id),
        on_queue_update=updates.append,
    )
    same("subscribe: last update", type(updates[-1]).__name__, "Completed")
    logs = [log for update in updates for log in getattr(update, "logs", None) or []]
    same("subscribe: any log line", bool(logs) and all(log["message"] for log in logs), True)
    same("subscribe: kind of video", answer["video"]["content_type"], "video/mp4")


def upload_in_parts(_ids, _wav):
    content = os.urandom(5 * PART_BYTES + 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "noise.bin")
        path.write_bytes(content)
        urls = [upload(path), fal_client.upload(content, "application/octet-stream", "noise.bin")]
    for url in urls:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            same("upload_in_parts: the same content", answer.read() == content, True)


def hear(ids, _wav):
    heard = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.put((self.path, json.loads(body), self.headers["x-fal-webhook-request-id"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        arguments = {"prompt": "a street in the fog", "duration": "4", "resolution": "480p"}
        hook = f"http://127.0.0.1:{server.server_port}/hook?a=1&b=2"
        handle = fal_client.submit(f"{MODEL}/text-to-video", arguments, webhook_url=hook)
        ids["heard"] = handle.request_id
        path, body, request_id = heard.get(timeout=PATIENCE_SECONDS)
        same("hear: path", path, "/hook?a=1&b=2")
        same("hear: request", (body["request_id"], request_id), (handle.request_id, handle.request_id))
        same("hear: status and payload", (body["status"], body["payload"]), ("OK", handle.get()))
    finally:
        server.shutdown()


def cancel(ids, _wav):
    handle = fal_client.submit(f"{MODEL}/text-to-video", {"prompt": "a street in the rain", "duration": "4"})
    ids["cancelled"] = handle.request_id
    try:
        handle.cancel()
    except fal_client.FalClientHTTPError as error:
        # The other documented answer: it was done before the cancellation came.
        answer = (error.status_code, error.response.json())
        same("cancel: answer", answer, (400, {"status": "ALREADY_COMPLETED"}))


def be_refused(ids, _wav):
    """The service may refuse when the job is submitted, or when its result is asked for."""
    ids["refused"] = None
    try:
        handle = fal_client.submit(f"{MODEL}/text-to-video", {"prompt": "a street", "duration": "99"})
        ids["refused"] = handle.request_id
        follow(handle)
        handle.get()
    except fal_client.FalClientHTTPError as error:
        same("be_refused: HTTP status", error.status_code, 422)
        detail = error.response.json()["detail"]
        same("be_refused: detail is a list of items", isinstance(detail, list) and bool(detail), True)
    else:
        failures.append("be_refused: duration 99 was accepted")


def follow(handle):
    """Polls until the job is completed; returns its log lines and the last status."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    logs, status = [], None
    for status in handle.iter_events(with_logs=True):
        logs += getattr(status, "logs", None) or []
        if time.monotonic() > deadline:
            raise TimeoutError(f"{handle.request_id} is {status} after {PATIENCE_SECONDS} s")
    same("follow: last status", type(status).__name__, "Completed")
    return logs, status


# Media


def check_video(video, path):
    with urllib.request.urlopen(video["url"], timeout=PATIENCE_SECONDS) as answer:
        path.write_bytes(answer.read())
    streams = {stream["codec_type"]: stream for stream in probe(path)}
    same("video: kinds of stream", sorted(streams), ["audio", "video"])
    picture, sound = streams["video"], streams["audio"]
    same("video: picture", (picture["codec_name"], picture["nb_read_frames"]), ("h264", str(FRAMES)))
    form = (sound["codec_name"], sound["sample_rate"], sound["channels"])
    same("video: sound", form, ("aac", "48000", 2))


def probe(path):
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"]


if __name__ == "__main__":
    sys.exit(main())
