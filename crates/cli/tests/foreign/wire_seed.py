"""Makes requests of a proxy as a published guide's client does, for comparison with seedpost's.

Usage: wire_seed.py PNG_FILE, with SEEDANCE_API_KEY and SEEDANCE_API_BASE in the environment

The guide's client submits with one POST and polls with GETs; both carry the same two headers. Its
examples are here with their own settings: sound from text, lip sync, references of all kinds, a batch on
the fast model, and the parameters that its table adds.
"""

import base64
import os
import sys
from pathlib import Path

import httpx

API_KEY = os.environ["SEEDANCE_API_KEY"]
API_BASE = os.environ["SEEDANCE_API_BASE"]
HEADERS = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
ASSETS = "https://cdn.example.com"

client = httpx.Client(trust_env=False)


def submit(payload):
    answer = client.post(f"{API_BASE}/video/generations", headers=HEADERS, json=payload, timeout=30)
    answer.raise_for_status()
    return answer.json()["id"]


def poll(job):
    answer = client.get(f"{API_BASE}/video/generations/{job}", headers=HEADERS, timeout=10)
    answer.raise_for_status()
    return answer.json()["status"]


def encode(path):
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('utf-8')}"


def jobs(png):
    yield {
        "model": "seedance_2.0",
        "prompt": "A jazz pianist performs at a smoky club in 1950s New York. Close-up on hands.",
        "aspect_ratio": "16:9",
        "duration": 8,
        "resolution": "1080p",
        "audio": True,
    }
    yield {
        "model": "seedance_2.0",
        "prompt": "A professional speaker at a conference podium, direct eye contact with camera.",
        "images": [encode(png)],
        "audios": [f"{ASSETS}/speech_clip.wav"],
        "duration": 10,
        "resolution": "1080p",
        "audio": True,
        "lipsync_language": "en",
    }
    yield {
        "model": "seedance_2.0",
        "prompt": "The product from @image_file_1 rotates, mimicking the motion style from @video_file_1. "
        "Voiceover from @audio_file_1 plays.",
        "images": [f"{ASSETS}/product_hero.jpg"],
        "videos": [f"{ASSETS}/motion_ref.mp4"],
        "audios": [f"{ASSETS}/voiceover.mp3"],
        "aspect_ratio": "16:9",
        "duration": 12,
        "resolution": "1080p",
        "audio": True,
    }
    yield {
        "model": "seedance_2.0_fast",
        "prompt": "Time-lapse of city skyline at sunset, traffic hum below.",
        "aspect_ratio": "21:9",
        "duration": 5,
        "resolution": "1080p",
        "audio": True,
    }
    yield {
        "model": "seedance_2.0_fast",
        "prompt": "From one frame to the other, in silence.",
        "aspect_ratio": "9:16",
        "duration": 15,
        "resolution": "480p",
        "audio": False,
        "first_frame_image": f"{ASSETS}/first.png",
        "last_frame_image": f"{ASSETS}/last.png",
        "negative_prompt": "blur, text",
    }


if __name__ == "__main__":
    for payload in jobs(Path(sys.argv[1])):
        poll(submit(payload))
