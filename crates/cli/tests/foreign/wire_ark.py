"""Makes requests of Ark with Volcengine's or BytePlus' own Python client, for comparison with seedpost's.

Usage: wire_ark.py BASE_URL volcengine|byteplus waiting|done PNG_FILE, with ARK_API_KEY in the environment

`waiting` creates one task of each kind, lists tasks, asks after the first and deletes it; `done` makes a
draft and goes on from it. The tasks are written out here by hand, as somebody would who follows Ark's
documentation.
"""

import base64
import os
import sys
import time
from pathlib import Path

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

ASSETS = "https://assets.example.com"
PATIENCE_SECONDS = 60

MODELS = {
    "volcengine": {
        "standard": "doubao-seedance-2-0-260128",
        "fast": "doubao-seedance-2-0-fast-260128",
        "mini": "doubao-seedance-2-0-mini-260615",
        "first": "doubao-seedance-1-5-pro-251215",
    },
    "byteplus": {
        "standard": "dreamina-seedance-2-0-260128",
        "fast": "dreamina-seedance-2-0-fast-260128",
        "first": "seedance-1-5-pro-251215",
    },
}


def text(words):
    return {"type": "text", "text": words}


def image(url, role):
    return {"type": "image_url", "image_url": {"url": url}, "role": role}


def waiting(png):
    data = base64.b64encode(Path(png).read_bytes()).decode()
    yield "standard", {
        "content": [text("A chef plates a dish, steam rising.")],
        "resolution": "720p",
        "ratio": "16:9",
        "duration": 8,
        "generate_audio": True,
    }
    yield "standard", {
        "content": [text('Whatever length suits: "\u53a8\u5e08", \u00e9lan \U0001f373\nand a second line\\')],
        "resolution": "4k",
        "ratio": "adaptive",
        "duration": -1,
        "generate_audio": False,
    }
    yield "standard", {
        "content": [text("Away from one frame."), image(f"{ASSETS}/first.png", "first_frame")],
        "resolution": "1080p",
        "ratio": "9:16",
        "duration": 15,
        "generate_audio": True,
    }
    yield "fast", {
        "content": [
            text("From one frame to the other."),
            image(f"{ASSETS}/first.png", "first_frame"),
            image(f"{ASSETS}/last.jpg?size=large&v=2", "last_frame"),
        ],
        "resolution": "480p",
        "ratio": "adaptive",
        "duration": 10,
        "generate_audio": True,
    }
    yield "standard", {
        "content": [
            text("Image 1 meets Image 2 as in Video 1, saying Audio 1; mail chef@image1.com."),
            image(f"{ASSETS}/chef.png", "reference_image"),
            image(f"{ASSETS}/guest.webp", "reference_image"),
            {"type": "video_url", "video_url": {"url": f"{ASSETS}/walk.mp4"}, "role": "reference_video"},
            {"type": "audio_url", "audio_url": {"url": f"{ASSETS}/line.wav"}, "role": "reference_audio"},
        ],
        "resolution": "720p",
        "ratio": "4:3",
        "duration": 12,
        "generate_audio": True,
    }
    yield "fast", {
        "content": [text("In Image 1."), image(f"data:image/png;base64,{data}", "reference_image")],
        "resolution": "720p",
        "ratio": "1:1",
        "duration": 5,
        "generate_audio": False,
    }
    yield "mini", {
        "content": [text("A small street.")],
        "resolution": "480p",
        "ratio": "21:9",
        "duration": 4,
        "generate_audio": True,
    }
    yield "fast", {
        "content": [text("Another begins where this ends.")],
        "resolution": "480p",
        "ratio": "16:9",
        "duration": 4,
        "generate_audio": True,
        "return_last_frame": True,
    }
    yield "first", {
        "content": [text("The first generation.")],
        "resolution": "1080p",
        "ratio": "16:9",
        "duration": 12,
        "generate_audio": True,
        "seed": 4242,
    }
    yield "first", {
        "content": [
            text("The first generation between frames."),
            image(f"{ASSETS}/first.png", "first_frame"),
            image(f"{ASSETS}/last.jpg", "last_frame"),
        ],
        "resolution": "720p",
        "ratio": "3:4",
        "duration": 4,
        "generate_audio": False,
        "seed": 0,
    }
    yield "fast", {
        "content": [text("The answer to this one is lost.")],
        "resolution": "480p",
        "ratio": "16:9",
        "duration": 4,
        "generate_audio": True,
    }


def main():
    base, name, phase, png = sys.argv[1:]
    if name == "volcengine":
        import volcenginesdkarkruntime as sdk
    else:
        import byteplussdkarkruntime as sdk
    client = sdk.Ark(base_url=f"{base}/api/v3", api_key=os.environ["ARK_API_KEY"], max_retries=0)
    tasks, models = client.content_generation.tasks, MODELS[name]
    if phase == "waiting":
        known = [(models[model], fields) for model, fields in waiting(png) if model in models]
        ids = [tasks.create(model=model, watermark=False, **fields).id for model, fields in known]
        tasks.list(page_num=1, page_size=500, model=models["fast"])
        tasks.get(task_id=ids[0])
        tasks.delete(task_id=ids[0])
    else:
        go_on(tasks, models["first"])


def go_on(tasks, model):
    settings = {"resolution": "480p", "ratio": "16:9", "duration": 4, "watermark": False}
    content = [text("A draft of the first generation.")]
    draft = tasks.create(model=model, content=content, draft=True, generate_audio=False, seed=2147483647, **settings)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while tasks.get(task_id=draft.id).status != "succeeded":
        assert time.monotonic() < deadline, "the draft is never done"
        time.sleep(0.05)
    # The draft brings its seed with it.
    continued = [{"type": "draft_task", "draft_task": {"id": draft.id}}]
    tasks.create(model=model, content=continued, generate_audio=True, **settings)


if __name__ == "__main__":
    main()
