"""Makes requests of fal with its own Python client, for comparison with seedpost's.

Usage: wire_fal.py BASE_URL waiting|done|called, with FAL_KEY in the environment

`waiting` hands in one job of each kind, asks after the first and cancels it; `done` waits for a job and
fetches what came of it; `called` names a webhook. The jobs are written out here by hand, as somebody would who follows fal's
documentation.
"""

import os
import sys

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

import fal_client  # noqa: E402  (reads the environment)
import fal_client.client  # noqa: E402

ASSETS = "https://assets.example.com"

WAITING = [
    (
        "bytedance/seedance-2.0/text-to-video",
        {
            "prompt": "A chef plates a dish, steam rising.",
            "resolution": "720p",
            "duration": "8",
            "aspect_ratio": "16:9",
            "generate_audio": True,
        },
    ),
    (
        "bytedance/seedance-2.0/text-to-video",
        {
            "prompt": 'Whatever length suits: "\u53a8\u5e08", \u00e9lan \U0001f373\nand a second line\\',
            "resolution": "4k",
            "duration": "auto",
            "aspect_ratio": "auto",
            "generate_audio": False,
        },
    ),
    (
        "bytedance/seedance-2.0/fast/text-to-video",
        {
            "prompt": "A quick street.",
            "resolution": "480p",
            "duration": "15",
            "aspect_ratio": "21:9",
            "generate_audio": True,
        },
    ),
    (
        "bytedance/seedance-2.0/image-to-video",
        {
            "prompt": "From one frame to the other.",
            "image_url": f"{ASSETS}/first.png",
            "end_image_url": f"{ASSETS}/last.jpg?size=large&v=2",
            "resolution": "1080p",
            "duration": "10",
            "aspect_ratio": "9:16",
            "generate_audio": True,
        },
    ),
    (
        "bytedance/seedance-2.0/mini/image-to-video",
        {
            "prompt": "Away from one frame.",
            "image_url": f"{ASSETS}/first.png",
            "resolution": "720p",
            "duration": "4",
            "aspect_ratio": "auto",
            "generate_audio": False,
        },
    ),
    (
        "bytedance/seedance-2.0/reference-to-video",
        {
            "prompt": "@Image1 meets @Image2 as in @Video1, saying @Audio1; mail chef@image1.com.",
            "image_urls": [f"{ASSETS}/chef.png", f"{ASSETS}/guest.webp"],
            "video_urls": [f"{ASSETS}/walk.mp4"],
            "audio_urls": [f"{ASSETS}/line.wav"],
            "resolution": "720p",
            "duration": "12",
            "aspect_ratio": "4:3",
            "generate_audio": True,
        },
    ),
    (
        "bytedance/seedance-2.0/mini/reference-to-video",
        {
            "prompt": "As in @Video1 and @Video2.",
            "video_urls": [f"{ASSETS}/walk.mp4", f"{ASSETS}/run.mov"],
            "resolution": "480p",
            "duration": "5",
            "aspect_ratio": "3:4",
            "generate_audio": False,
        },
    ),
    (
        "bytedance/seedance-2.0/fast/reference-to-video",
        {
            "prompt": "Only @Image1.",
            "image_urls": [f"{ASSETS}/chef.png"],
            "resolution": "480p",
            "duration": "5",
            "aspect_ratio": "1:1",
            "generate_audio": True,
        },
    ),
    (
        "fal-ai/bytedance/seedance/v1.5/pro/text-to-video",
        {
            "prompt": "The first generation.",
            "resolution": "1080p",
            "duration": "12",
            "aspect_ratio": "16:9",
            "generate_audio": True,
            "seed": 4242,
        },
    ),
    (
        "fal-ai/bytedance/seedance/v1.5/pro/image-to-video",
        {
            "prompt": "The first generation between frames.",
            "image_url": f"{ASSETS}/first.png",
            "end_image_url": f"{ASSETS}/last.jpg",
            "resolution": "720p",
            "duration": "4",
            "aspect_ratio": "16:9",
            "generate_audio": False,
            "seed": 0,
        },
    ),
]

DONE = (
    "bytedance/seedance-2.0/text-to-video",
    {
        "prompt": "This one is done.",
        "resolution": "480p",
        "duration": "4",
        "aspect_ratio": "16:9",
        "generate_audio": True,
    },
)

CALLED = {
    "prompt": "Call me when this is done.",
    "resolution": "480p",
    "duration": "4",
    "aspect_ratio": "16:9",
    "generate_audio": True,
}
HOOK = "https://hooks.example.com/a%20b/post/fal"


def main():
    base, phase = sys.argv[1].rstrip("/"), sys.argv[2]
    fal_client.client.QUEUE_URL_FORMAT = f"{base}/"
    if phase == "waiting":
        handles = [fal_client.submit(*job) for job in WAITING]
        handles[0].status(with_logs=True)
        handles[0].cancel()
    elif phase == "called":
        fal_client.submit("bytedance/seedance-2.0/text-to-video", CALLED, webhook_url=HOOK)
    else:
        handle = fal_client.submit(*DONE)
        for _ in handle.iter_events(with_logs=True):
            pass
        fal_client.result(DONE[0], handle.request_id)


if __name__ == "__main__":
    main()
