/* Makes requests of fal with its own JavaScript client, for comparison with seedpost's.

Usage: node wire_fal_js.mjs BASE_URL waiting|done|called PNG_FILE, with FAL_KEY in the environment

`waiting` hands in a job of either generation, asks after both and cancels the first; `done` uploads the
file, refers to it, and follows a job of either generation to its end by a stream; `called` names a
webhook. The jobs are written out here by hand, as somebody would who follows fal's documentation. */

import { File } from "node:buffer";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { createFalClient } from "@fal-ai/client";

const [base, phase, png] = process.argv.slice(2);
const SECOND = "bytedance/seedance-2.0/text-to-video";
const FIRST = "fal-ai/bytedance/seedance/v1.5/pro/text-to-video";

const fal = createFalClient({
  credentials: process.env.FAL_KEY,
  requestMiddleware: async (request) => ({
    ...request,
    url: request.url.replace("https://queue.fal.run", base).replace("https://rest.fal.ai", `${base}/rest`),
  }),
});

async function waiting() {
  const second = await fal.queue.submit(SECOND, {
    input: {
      prompt: "A chef plates a dish, steam rising.",
      resolution: "720p",
      duration: "8",
      aspect_ratio: "16:9",
      generate_audio: true,
    },
  });
  const first = await fal.queue.submit(FIRST, {
    input: {
      prompt: "The first generation.",
      resolution: "1080p",
      duration: "12",
      aspect_ratio: "16:9",
      generate_audio: true,
      seed: 4242,
    },
  });
  await fal.queue.status(SECOND, { requestId: second.request_id, logs: true });
  await fal.queue.status(FIRST, { requestId: first.request_id, logs: true });
  await fal.queue.cancel(SECOND, { requestId: second.request_id });
}

async function done() {
  const address = await fal.storage.upload(new File([readFileSync(png)], basename(png), { type: "image/png" }));
  await fal.queue.submit("bytedance/seedance-2.0/fast/reference-to-video", {
    input: {
      prompt: "In @Image1.",
      image_urls: [address],
      resolution: "480p",
      duration: "4",
      aspect_ratio: "16:9",
      generate_audio: true,
    },
  });
  const settings = { resolution: "480p", duration: "4", aspect_ratio: "16:9", generate_audio: true };
  await follow(SECOND, { prompt: "This one is done.", ...settings });
  await follow(FIRST, { prompt: "The first generation is done.", seed: 2147483647, ...settings });
}

async function follow(endpoint, input) {
  const { requestId } = await fal.subscribe(endpoint, {
    input,
    mode: "streaming",
    connectionMode: "server",
    logs: true,
  });
  await fal.queue.status(endpoint, { requestId, logs: true });
}

async function called() {
  await fal.queue.submit(SECOND, {
    input: {
      prompt: "Call me when this is done.",
      resolution: "480p",
      duration: "4",
      aspect_ratio: "16:9",
      generate_audio: true,
    },
    webhookUrl: "https://hooks.example.com/a%20b/post/fal",
  });
}

await { waiting, done, called }[phase]();
