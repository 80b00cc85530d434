"""Drives a loopback simulator of Ark with Volcengine's and BytePlus' own Python clients, unchanged.

Usage: ark_client_roundtrip.py BASE_URL WAV_FILE

Each client creates, follows, lists, deletes, and is refused. Prints one JSON line with the task ids on
stdout and every failure on stderr; exit code 0 when there is none, else 1.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from media import png

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

import byteplussdkarkruntime  # noqa: E402  (reads the environment)
import byteplussdkarkruntime._exceptions  # noqa: E402
import volcenginesdkarkruntime  # noqa: E402
import volcenginesdkarkruntime._exceptions  # noqa: E402

CLIENTS = {
    "volcengine": (volcenginesdkarkruntime, "doubao-seedance-2-0-fast-260128", "doubao-seedance-1-5-pro-251215"),
    "byteplus": (byteplussdkarkruntime, "dreamina-seedance-2-0-fast-260128", "seedance-1-5-pro-251215"),
}
SMALL = {"resolution": "480p", "ratio": "16:9", "duration": 4}
FRAMES = 96
TOKENS = 864 * 496 * FRAMES // 1024
PATIENCE_SECONDS = 120

failures = []


def main():
    base, wav = sys.argv[1].rstrip("/"), Path(sys.argv[2])
    ids = {}
    for name, (sdk, model, older) in CLIENTS.items():
        ids[name] = {}
        client = sdk.Ark(base_url=f"{base}/api/v3", api_key="loopback-only", max_retries=0)
        tasks = client.content_generation.tasks
        for step in [text, references, first_generation, lists, be_refused, delete]:
            try:
                step(sdk, tasks, model if step is not first_generation else older, ids[name], wav)
            except Exception as error:  # each step is tried, whatever the one before it met
                failures.append(f"{name}: {step.__name__}: {type(error).__name__}: {error}")
    print(json.dumps(ids))
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def same(what, found, expected):
    if found != expected:
        failures.append(f"{what}: found {found!r}, expected {expected!r}")


# The tasks


def text(_sdk, tasks, model, ids, _wav):
    content = [{"type": "text", "text": "a street in the rain"}]
    made = tasks.create(model=model, content=content, generate_audio=False, safety_identifier="sp_01JD", **SMALL)
    ids["text"] = made.id
    task = follow(tasks, made.id)
    same("text: model", task.model, model)
    same("text: safety_identifier", task.safety_identifier, "sp_01JD")
    asked = (task.resolution, task.ratio, task.duration, task.framespersecond, task.generate_audio)
    same("text: what was asked", asked, ("480p", "16:9", 4, 24, False))
    same("text: service", (task.service_tier, task.execution_expires_after), ("default", 172800))
    same("text: tokens", task.usage.completion_tokens, TOKENS)
    same("text: times", task.created_at <= task.updated_at, True)
    same("text: streams", sorted(streams(task.content.video_url)), ["video"])


def references(_sdk, tasks, model, ids, wav):
    content = [
        {"type": "text", "text": "Image 1 says Audio 1"},
        {"type": "image_url", "image_url": {"url": uri("image/png", png(512, 512))}, "role": "reference_image"},
        {"type": "audio_url", "audio_url": {"url": uri("audio/wav", wav.read_bytes())}, "role": "reference_audio"},
    ]
    made = tasks.create(model=model, content=content, return_last_frame=True, resolution="480p", duration=4)
    ids["references"] = made.id
    task = follow(tasks, made.id)
    same("references: ratio of a square image", (task.ratio, task.generate_audio), ("1:1", True))
    found = streams(task.content.video_url)
    picture, sound = found["video"], found["audio"]
    same("references: picture", (picture["width"], picture["nb_read_frames"]), (640, str(FRAMES)))
    same("references: sound", (sound["codec_name"], sound["sample_rate"], sound["channels"]), ("aac", "48000", 1))
    last = streams(task.content.last_frame_url)["video"]
    same("references: last frame", (last["codec_name"], last["width"], last["height"]), ("png", 640, 640))


def first_generation(_sdk, tasks, model, ids, _wav):
    content = [
        {"type": "text", "text": "it begins to snow"},
        {"type": "image_url", "image_url": {"url": uri("image/png", png(640, 360))}, "role": "first_frame"},
    ]
    made = tasks.create(model=model, content=content, seed=11, camera_fixed=True, **SMALL)
    ids["first_generation"] = made.id
    task = follow(tasks, made.id)
    same("first_generation: seed", task.seed, 11)


def lists(_sdk, tasks, model, ids, _wav):
    found = tasks.list(page_num=1, page_size=10, task_ids=[ids["text"], ids["references"]])
    same("lists: by ids", [item.id for item in found.items], [ids["references"], ids["text"]])
    same("lists: total", found.total, 2)
    same("lists: item", (found.items[1].status, found.items[1].safety_identifier), ("succeeded", "sp_01JD"))
    page = tasks.list(page_num=2, page_size=1, task_ids=[ids["text"], ids["references"]])
    same("lists: a page", ([item.id for item in page.items], page.total), ([ids["text"]], 2))
    both = tasks.list(page_size=500, status="succeeded", model=model, service_tier="default")
    same("lists: by model", [item.id for item in both.items], [ids["references"], ids["text"]])
    same("lists: none failed", tasks.list(status="failed").total, 0)


def be_refused(sdk, tasks, model, _ids, _wav):
    errors = sdk._exceptions
    before = tasks.list(page_size=500).total
    cases = [
        ({"model": model, "duration": 99}, errors.ArkBadRequestError, 400, "InvalidParameter", "duration"),
        ({"model": model, "seed": 7}, errors.ArkBadRequestError, 400, "InvalidParameter", "seed"),
        ({"model": "nobody"}, errors.ArkNotFoundError, 404, "InvalidEndpointOrModel.NotFound", "model"),
    ]
    for fields, kind, status, code, param in cases:
        try:
            tasks.create(content=[{"type": "text", "text": "a street"}], **fields)
        except kind as error:
            same(f"be_refused: {param}", (error.status_code, error.code, error.param), (status, code, param))
        else:
            failures.append(f"be_refused: {fields} was accepted")
    same("be_refused: no task was made", tasks.list(page_size=500).total, before)


def delete(sdk, tasks, _model, ids, _wav):
    tasks.delete(ids["text"])
    same("delete: gone from the list", tasks.list(task_ids=ids["text"]).total, 0)
    try:
        tasks.get(task_id=ids["text"])
    except sdk._exceptions.ArkNotFoundError:
        pass
    else:
        failures.append("delete: the task can still be read")


def follow(tasks, task_id):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        task = tasks.get(task_id=task_id)
        if task.status not in ("queued", "running"):
            same(f"{task_id}: end", (task.id, task.status, task.error), (task_id, "succeeded", None))
            return task
        if time.monotonic() > deadline:
            raise TimeoutError(f"{task_id} is {task.status} after {PATIENCE_SECONDS} s")
        time.sleep(0.1)


# Media


def streams(url):
    with tempfile.TemporaryDirectory() as folder, urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        path = Path(folder, "media")
        path.write_bytes(answer.read())
        command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"]
    return {stream["codec_type"]: stream for stream in found}


def uri(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


if __name__ == "__main__":
    sys.exit(main())
