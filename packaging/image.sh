#!/bin/sh
# Lays out the root folder of a container: image.sh PROGRAM FOLDER.
# It has the program and the libraries it loads, its data folder, and nothing else.
set -eu

program=$1
folder=$2

mkdir -p "$folder/usr/bin" "$folder/data" "$folder/tmp" "$folder/etc"
chmod 700 "$folder/data"
chmod 1777 "$folder/tmp"
cp "$program" "$folder/usr/bin/polykad"
ldd "$program" | tr -s ' \t' '\n' | grep '^/' | while read -r library; do
    mkdir -p "$folder$(dirname "$library")"
    cp --dereference "$library" "$folder$library"
done
echo 'polykad:x:65532:65532:Polykad:/data:/usr/sbin/nologin' > "$folder/etc/passwd"
echo 'polykad:x:65532:' > "$folder/etc/group"
