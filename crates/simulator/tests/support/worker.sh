#!/bin/sh
# Stands in for the FFmpeg worker: notes each request in `orders` and answers it with a copy of a file.
# It waits while `hold` lies beside it, and fails where a prompt says so.
here=$(dirname "$0")
while read -r line; do
    while [ -e "$here/hold" ]; do sleep 0.02; done
    printf '%s\n' "$line" >> "$here/orders"
    out=$(printf '%s' "$line" | sed 's/.*"out":"\([^"]*\)".*/\1/')
    case $line in
        *'[fail]'*) echo '{"answer":"failed","message":"no light on set"}'; continue ;;
        *'"request":"last_frame"'*) cp "$here/last.png" "$out" ;;
        *) cp "$here/clip.mp4" "$out" ;;
    esac
    echo '{"answer":"done"}'
done
