#!/bin/bash
# The parts of a run by GNU parallel, then the run. On one machine, or on several that share the folders:
#
#   export MODEL=/shared/models/Qwen3-32B RECIPE=hqq-int4-g64 RUN=/shared/runs/qwen3-32b
#   PARTS=8 SSHLOGIN=node1,node2 examples/cluster/parallel.sh
set -euo pipefail

PARTS=${PARTS:-4}
THREADS=${THREADS:-8}
SSHLOGIN=${SSHLOGIN:-:} # `:` is this machine
seq "$PARTS" | parallel --sshlogin "$SSHLOGIN" --jobs 1 --workdir "$PWD" --halt soon,fail=1 \
  luthier quantize "$MODEL" --recipe "$RECIPE" --out "$RUN" --part "{}/$PARTS" --threads "$THREADS"
luthier merge "$RUN" --threads "$THREADS"
