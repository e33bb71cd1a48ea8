#!/usr/bin/env bash
# Builds the autograder's image: Python, toolkit, and the course with its graders.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./settings.sh
apt-get update -qq
apt-get install -y -qq python3 python3-venv
python3 -m venv "$ROOT/venv"
"$ROOT/venv/bin/python" -m pip install "$TOOLKIT"
"$ROOT/venv/bin/toolkit" init "$ROOT/course"
