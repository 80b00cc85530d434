#!/bin/sh
# Runs one target over the fixtures and what it finds: fuzz/run.sh TARGET SECONDS
# Build first: cargo +nightly fuzz build. An input must take under a second; memory is limited to 256 MiB
# by the targets' allocator, so that libFuzzer's own limit only holds what the sanitizer takes besides.
set -eu
cd "$(dirname "$0")"
target=$1 seconds=$2
corpus=corpus/$target artifacts=artifacts/$target
mkdir -p "$corpus" "$artifacts"
media=../fixtures/media
case $target in
wav) seeds="$media/*.wav $media/hostile/*.wav" ;;
mp3) seeds="$media/*.mp3 $media/*.flac $media/*.ogg $media/*.aiff $media/hostile/*.mp3" ;;
still) seeds="$media/*.png $media/*.jpg $media/*.webp $media/*.gif $media/*.bmp $media/*.tiff $media/*.heic \
  $media/hostile/*.png $media/hostile/*.jpg $media/hostile/*.webp $media/hostile/*.gif $media/hostile/*.bmp $media/hostile/*.tiff" ;;
mp4 | strip) seeds="$media/hostile/*.mp4 $media/hostile/mp4_named.png $media/clip_silent.mp4 $media/clip_mono_44k.mp4 $media/clip_h264_aac.mp4" ;;
shot_list) seeds="../fixtures/shots/*.toml ../fixtures/demo/*.toml" ;;
recut) seeds="../fixtures/recuts/*" ;;
*) echo "no target $target" >&2 && exit 2 ;;
esac
for seed in $seeds; do
  if [ -f "$seed" ]; then cp "$seed" "$corpus/$(basename "$(dirname "$seed")")_$(basename "$seed")"; fi
done
binary=$(ls target/*/release/"$target")
exec "$binary" "$corpus" -artifact_prefix="$artifacts/" -max_total_time="$seconds" -timeout=1 -rss_limit_mb=2048 \
  -malloc_limit_mb=256 -max_len=40000 -print_final_stats=1
