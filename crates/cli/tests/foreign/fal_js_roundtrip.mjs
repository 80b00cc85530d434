/* Drives a loopback simulator of fal with fal's own JavaScript client, unchanged.

Usage: node fal_js_roundtrip.mjs BASE_URL WAV_FILE

Uploads small and large files, generates by polls and by a stream, hears webhooks, cancels, and is
refused. Prints one JSON line with the request ids on stdout and every failure on stderr; exit code 0
when there is none, else 1. */

import { File } from "node:buffer";
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { createFalClient } from "@fal-ai/client";

const [base, wav] = process.argv.slice(2);
const MODEL = "bytedance/seedance-2.0/fast";
const PATIENCE_MS = 60_000;
// Above this size the client sends parts.
const LARGE = 90 * 1024 * 1024 + 1;

const fal = createFalClient({
  credentials: "loopback:only",
  requestMiddleware: async (request) => ({
    ...request,
    url: request.url.replace("https://queue.fal.run", base).replace("https://rest.fal.ai", `${base}/rest`),
  }),
});
const ids = {};
const failures = [];

function same(what, found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    failures.push(`${what}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
  }
}

// The jobs

async function subscribe() {
  const updates = [];
  const { data, requestId } = await fal.subscribe(`${MODEL}/reference-to-video`, {
    input: {
      prompt: "@Image1 says @Audio1",
      // The client uploads what is no address.
      image_urls: [new File([png(512, 512)], "frame.png", { type: "image/png" })],
      audio_urls: [new File([readFileSync(wav)], "host.wav", { type: "audio/wav" })],
      duration: "4",
      resolution: "480p",
    },
    logs: true,
    pollInterval: 50,
    timeout: PATIENCE_MS,
    onQueueUpdate: (update) => updates.push(update),
  });
  ids.generated = requestId;
  const last = updates.at(-1);
  same("subscribe: last status", last.status, "COMPLETED");
  same("subscribe: any log line", last.logs.length > 0 && last.logs.every((log) => log.message && log.timestamp), true);
  await checkVideo(data.video);
}

async function stream() {
  const updates = [];
  const { data, requestId } = await fal.subscribe(`${MODEL}/text-to-video`, {
    input: { prompt: "a street in the rain", duration: "4", resolution: "480p" },
    mode: "streaming",
    connectionMode: "server",
    logs: true,
    onQueueUpdate: (update) => updates.push(update.status),
  });
  ids.streamed = requestId;
  same("stream: last status", updates.at(-1), "COMPLETED");
  await checkVideo(data.video);
}

async function hear() {
  const receiver = createServer();
  const heard = new Promise((resolve) => {
    receiver.on("request", async (request, response) => {
      const pieces = [];
      for await (const piece of request) {
        pieces.push(piece);
      }
      response.end();
      resolve({ path: request.url, headers: request.headers, body: Buffer.concat(pieces) });
    });
  });
  await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  try {
    const { request_id } = await fal.queue.submit(`${MODEL}/text-to-video`, {
      input: { prompt: "a street in the sun", duration: "4", resolution: "480p" },
      webhookUrl: `http://127.0.0.1:${receiver.address().port}/hook?a=1&b=2`,
    });
    ids.heard = request_id;
    const { path, headers, body } = await within(heard, "no webhook came");
    same("webhook: path", path, "/hook?a=1&b=2");
    const payload = JSON.parse(body);
    const { data } = await fal.queue.result(`${MODEL}/text-to-video`, { requestId: request_id });
    const told = { request_id, gateway_request_id: request_id, status: "OK", payload: data };
    same("webhook: body", sorted(payload), sorted(told));
    await checkSignature(headers, body);
  } finally {
    receiver.close();
  }
}

async function checkSignature(headers, body) {
  const [id, user, time, signature] = ["request-id", "user-id", "timestamp", "signature"].map(
    (name) => headers[`x-fal-webhook-${name}`],
  );
  same("webhook: age", Math.abs(Date.now() / 1000 - Number(time)) < 300, true);
  const message = [id, user, time, createHash("sha256").update(body).digest("hex")].join("\n");
  const { keys } = await (await fetch(`${base}/rest/.well-known/jwks.json`)).json();
  const fits = keys.some((key) =>
    verify(null, Buffer.from(message), createPublicKey({ key, format: "jwk" }), Buffer.from(signature, "hex")),
  );
  same("webhook: signature", fits, true);
}

async function uploadLarge() {
  const bytes = Buffer.alloc(LARGE);
  bytes.write("first", 0);
  bytes.write("last", LARGE - 4);
  const url = await fal.storage.upload(new File([bytes], "large.bin", { type: "application/octet-stream" }));
  const answer = await fetch(url);
  const digest = createHash("sha256");
  for await (const piece of answer.body) {
    digest.update(piece);
  }
  same("uploadLarge: content", digest.digest("hex"), createHash("sha256").update(bytes).digest("hex"));
}

async function cancel() {
  const { request_id } = await fal.queue.submit(`${MODEL}/text-to-video`, {
    input: { prompt: "a street in the snow", duration: "4" },
  });
  ids.cancelled = request_id;
  try {
    await fal.queue.cancel(`${MODEL}/text-to-video`, { requestId: request_id });
  } catch (error) {
    // The other documented answer: it was done before the cancellation came.
    same("cancel: answer", [error.status, error.body], [400, { status: "ALREADY_COMPLETED" }]);
  }
}

// The service may refuse when the job is submitted, or when its result is asked for.
async function beRefused() {
  try {
    await fal.subscribe(`${MODEL}/text-to-video`, {
      input: { prompt: "a street", duration: "99" },
      pollInterval: 50,
      onEnqueue: (requestId) => (ids.refused = requestId),
    });
    failures.push("beRefused: duration 99 was accepted");
  } catch (error) {
    same("beRefused: HTTP status", error.status, 422);
    same("beRefused: detail is a list of items", Array.isArray(error.body.detail) && error.body.detail.length > 0, true);
  }
}

// Media

async function checkVideo(video) {
  const folder = mkdtempSync(join(tmpdir(), "fal-js-"));
  try {
    const path = join(folder, "answer.mp4");
    writeFileSync(path, Buffer.from(await (await fetch(video.url)).arrayBuffer()));
    const probe = ["-v", "error", "-count_frames", "-show_streams", "-of", "json", path];
    const { streams } = JSON.parse(execFileSync("ffprobe", probe));
    const kinds = streams.map((stream) => [stream.codec_type, stream.codec_name]).sort();
    same("video: streams", kinds, [["audio", "aac"], ["video", "h264"]]);
    same("video: frames", streams.find((stream) => stream.codec_type === "video")?.nb_read_frames, "96");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// A grey RGB picture.
function png(width, height) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(3 * width, 0x80)]);
  const rows = deflateSync(Buffer.concat(Array(height).fill(row)));
  const magic = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([magic, chunk("IHDR", header), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(kind, content) {
  const body = Buffer.concat([Buffer.from(kind), content]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

// Node 18, which Debian has, does not export its own.
function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) {
      sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
    }
  }
  return ~sum >>> 0;
}

// Aids

function within(promise, words) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(words)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function sorted(value) {
  if (Array.isArray(value) || value === null || typeof value !== "object") {
    return value;
  }
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

for (const step of [subscribe, stream, hear, uploadLarge, cancel, beRefused]) {
  try {
    await within(step(), "it took too long");
  } catch (error) {
    failures.push(`${step.name}: ${error.stack ?? error}`);
  }
}
console.log(JSON.stringify(ids));
failures.forEach((failure) => console.error(failure));
process.exit(failures.length > 0 ? 1 : 0);
