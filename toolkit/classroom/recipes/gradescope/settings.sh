# What is graded, read by setup.sh and run_autograder.
TOOLKIT="${TOOLKIT:-toolkit}" # what pip installs: a name, or a wheel that lies beside this file
TARGETS="${TARGETS:-ch04}"    # chapters and exercises
ROOT="${ROOT:-/autograder}"
